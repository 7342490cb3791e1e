"""A shadow of the tests' own: a real HTTP server whose answers a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON = {"content-type": "application/json"}


@dataclass
class Asked:
    """A request as the shadow received it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


@dataclass
class Reply:
    """What the shadow answers; `raw` bypasses HTTP and closes the connection."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    body: bytes = b"{}"
    raw: bytes | None = None


def echo(asked: Asked) -> Reply:
    """Answer with what was asked."""
    return Reply(body=asked.body)


class StubShadow:
    """A server on a free loopback port, or on that `port`; `answer` may be swapped while it runs."""

    def __init__(self, answer: Callable[[Asked], Reply] = echo, port: int = 0) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._arrival = threading.Condition()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, BrokenPipeError):
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

            def _serve(self) -> None:
                length = int(self.headers.get("content-length", 0))
                asked = Asked(self.command, self.path, list(self.headers.items()), self.rfile.read(length))
                stub._note(asked)
                reply = stub.answer(asked)
                if reply.raw is not None:
                    self.wfile.write(reply.raw)
                    self.close_connection = True
                    return
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if "content-length" not in {name.lower() for name in reply.headers}:
                    self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.socket.listen(128)  # its own backlog of five would drop what comes at once
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_for(self, count: int, seconds: float = 20.0) -> None:
        """Wait until `count` requests have arrived."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: len(self.asked) >= count, seconds), self.asked

    def _note(self, asked: Asked) -> None:
        with self._arrival:
            self.asked.append(asked)
            self._arrival.notify_all()

    def __enter__(self) -> StubShadow:  # noqa: PYI034 (typing.Self came with Python 3.11)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
