"""ClickHouse's engine in a process of its own: it is large, and has threads that no test should inherit.

`serve` puts a door of ours in front of it that speaks as much of ClickHouse's HTTP interface as its client
uses, so that the client's side of that is tested with the real engine behind. It is no ClickHouse server.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

#: Parameters of a request that are no settings of the engine.
_NO_SETTINGS = ("database", "query", "query_id", "client_protocol_version", "session_id", "wait_end_of_query")
_QUOTED = str.maketrans({"\\": "\\\\", "'": "\\'"})


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Any
    lock = threading.Lock()
    is_to_break = False
    """Whether to break the connection after the next insert is done, before it is answered."""

    def do_GET(self) -> None:
        self._reply(200, b"Ok.\n")

    def do_POST(self) -> None:
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self._body()
        try:
            with self.lock:
                said = self._run(parameters, body)
        except RuntimeError as error:
            code = str(error).partition("Code: ")[2].partition(".")[0] or "1"
            self._reply(500, str(error).encode(), {"X-ClickHouse-Exception-Code": code})
            return
        if _Door.is_to_break and b"INSERT" in body[:20]:
            _Door.is_to_break = False
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._reply(200, said, {"X-ClickHouse-Format": "Native"} if said else {})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(pieces)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "lz4":
            import lz4.frame

            body = lz4.frame.decompress(body)
        elif self.headers.get("Content-Encoding"):
            raise AssertionError(self.headers["Content-Encoding"])
        return body

    def _run(self, parameters: dict[str, str], body: bytes) -> bytes:
        if parameters.get("database"):
            self.engine.query(f"USE `{parameters['database']}`")
        for name, value in parameters.items():
            if name not in _NO_SETTINGS:
                self.engine.query(f"SET {name} = '{value.translate(_QUOTED)}'")
        sql = parameters.get("query", "").encode() + body
        head, _, data = sql.partition(b"FORMAT Native\n")
        if data and head.startswith(b"INSERT"):
            with tempfile.NamedTemporaryFile(suffix=".native") as file:
                file.write(data)
                file.flush()
                self.engine.query(f"{head.decode()} FROM INFILE '{file.name}' FORMAT Native")
            return b""
        return bytes(self.engine.query(sql.decode(), "TabSeparated").bytes() or b"")

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer in chunks, as ClickHouse does; clients of old take nothing else."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        self.wfile.write(chunk + b"0\r\n\r\n")

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def serve() -> None:
    """Tell the port, then serve until stdin closes; a line of stdin says to break a connection."""
    import chdb

    _Door.engine = chdb.connect(":memory:")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)  # noqa: T201 - the test reads it
    for _ in sys.stdin:
        _Door.is_to_break = True
        print("will break", flush=True)  # noqa: T201 - the test waits for it
    server.shutdown()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
