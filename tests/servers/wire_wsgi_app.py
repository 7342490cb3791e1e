"""The app behind the WSGI servers of these tests; `BARE=1` leaves the line out.

`python -m wire_wsgi_app SERVER PORT` serves it with waitress, uwsgi or wsgiref.
"""

from __future__ import annotations

import json
import os
import socketserver
import sys
from typing import Any
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer, make_server

import msgspec
from odd_wsgi_answers import ODD_WSGI, heard


def core(environ: dict[str, Any], start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    if path == "/predict":
        return ODD_WSGI[environ.get("QUERY_STRING", "").partition("&")[0]](environ, start_response)
    body = json.dumps(LOOK[path]()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def show_statistics() -> dict[str, Any]:
    from shadow_mw import statistics
    from shadow_mw.testing import drain

    return {"is_drained": drain(20), "mirrors": msgspec.to_builtins(statistics())}


LOOK: dict[str, Any] = {"/heard": lambda: heard, "/statistics": show_statistics}

if os.environ.get("BARE"):
    app: Any = core
else:
    from shadow_mw import ShadowWSGIMiddleware

    app = ShadowWSGIMiddleware(core)


class _ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


def main(server: str, port: int) -> None:
    if server == "waitress":
        import waitress

        waitress.serve(app, host="127.0.0.1", port=port, threads=4)
    elif server == "uwsgi":
        import pyuwsgi

        pyuwsgi.run(["--http-socket", f"127.0.0.1:{port}", "--threads", "4", "--module", "wire_wsgi_app:app"])
    else:
        ServerHandler.server_software = "wsgiref"
        make_server("127.0.0.1", port, app, _ThreadingServer, _Handler).serve_forever(0.01)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
