"""The WSGI app behind the servers of these tests, with the one line."""

from __future__ import annotations

from typing import Any

from process_core import answer_to

from shadow_mw import ShadowWSGIMiddleware


def core(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = answer_to(environ["PATH_INFO"], body)
    start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(body)))])
    return [body]


app = ShadowWSGIMiddleware(core)
