"""What the real servers of these tests serve: the Flask app, and beside it everything that PEP 3333 allows.

`python served_app.py waitress PORT` and `… wsgiref PORT` serve it; gunicorn takes `served_app:app`.
"""

from __future__ import annotations

import os
import signal
import socketserver
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer, make_server

import app_wsgi_flask

from shadow_mw import ShadowWSGIMiddleware

ROUTES = (
    "POST /predict, GET /predict, HEAD /predict, POST /stream, POST /boom, POST /late-boom, POST /file,"
    "POST /cookies, POST /unread, POST /raw/{how}"
)
LARGE = b"x" * 300_000


def raw(environ: dict[str, Any], start_response: Any) -> Any:
    how = environ["PATH_INFO"].rpartition("/")[2]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("X-A", "1"), ("X-A", "\xe9")])
    if how == "write":
        write(body)
        write(b"written")
    if how == "file":
        return environ["wsgi.file_wrapper"](Path(__file__).open("rb"), 1000)
    return _BODIES.get(how, lambda body: [body])(body)


def _chunks(body: bytes) -> Iterator[bytes]:
    yield b""
    yield body
    yield LARGE


def _breaks(body: bytes) -> Iterator[bytes]:
    yield body
    raise app_wsgi_flask.ModelError("broken")


_BODIES: dict[str, Any] = {
    "one": lambda body: [body],
    "two": lambda body: (body, body),
    "none": lambda body: [],
    "chunks": _chunks,
    "breaks": _breaks,
    "text": lambda body: ["text"],
}


def application(environ: dict[str, Any], start_response: Any) -> Any:
    is_raw = environ["PATH_INFO"].startswith("/raw/")
    return raw(environ, start_response) if is_raw else _flask.wsgi_app(environ, start_response)


_flask = app_wsgi_flask.make()
app = ShadowWSGIMiddleware(application, routes=ROUTES) if os.environ["MIRROR"] == "1" else application


class _ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):
    pass


class _Handler(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


def main() -> None:
    server, port = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if server == "waitress":
        import waitress

        waitress.serve(app, host="127.0.0.1", port=int(port), threads=4)
    else:
        ServerHandler.server_software = "wsgiref"
        make_server("127.0.0.1", int(port), app, _ThreadingServer, _Handler).serve_forever(0.01)


if __name__ == "__main__":
    main()
