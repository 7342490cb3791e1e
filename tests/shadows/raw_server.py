"""A TCP server whose every byte a test decides."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress


def read_request(connection: socket.socket) -> bytes:
    """Head and body of one request; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class RawServer:
    """Runs `serve(connection, number)` on a thread for each connection, numbered from 1."""

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.connections = 0
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._one, args=(connection, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError):  # the client goes away, as many of these tests want
            self._serve(connection, number)

    def __enter__(self) -> RawServer:  # noqa: PYI034 (typing.Self came with Python 3.11)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._acceptor, *self._threads]:
            thread.join(10)
            assert not thread.is_alive(), "a connection was not closed"
