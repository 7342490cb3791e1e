"""A TCP proxy in front of a shadow that does to the bytes what a bad network or a bad server does."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

_SMALL_BUFFER_BYTES = 4096


@dataclass(frozen=True)
class Fault:
    """What becomes of the bytes of one connection; as it stands here, nothing."""

    is_deaf: bool = False
    """True where nothing is taken from the client."""
    passes: int | None = None
    """How many bytes of what the shadow says come through; None is all."""
    then: Literal["silence", "end", "reset"] = "silence"
    """What comes after those."""
    bytes_per_second: float = 0.0
    """The pace of each direction; 0 is no brake."""
    change: Callable[[bytes], bytes] = lambda data: data
    """Made of what the shadow says."""


def broken_body(data: bytes) -> bytes:
    """The same answer with a bit flipped in each byte of its body."""
    head, end, body = data.partition(b"\r\n\r\n") if data.startswith(b"HTTP/") else (b"", b"", data)
    return head + end + bytes(byte ^ 0x80 for byte in body)


HEALTHY = Fault()
#: By the key of their row in docs/faults.py.
FAULTS = {
    "hangs": Fault(is_deaf=True),
    "falls-silent": Fault(passes=20),
    "drips": Fault(bytes_per_second=20.0),
    "crawls": Fault(bytes_per_second=1000.0),
    "resets": Fault(passes=20, then="reset"),
    "cuts": Fault(passes=20, then="end"),
    "garbage": Fault(change=lambda data: bytes(range(256)) * 4),
    "garbles": Fault(change=broken_body),
}


class FaultProxy:
    """A listener on loopback whose connections suffer from `fault`; all of it ends with the block."""

    def __init__(self, url: str, port: int = 0) -> None:
        """Stand in front of `url`, on a free port or on that `port`."""
        parts = urlsplit(url)
        self._upstream = (parts.hostname, parts.port)
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # A client that sends much must notice that nobody reads it.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(128)
        self._lock = threading.Lock()
        self._live: dict[_Line, threading.Thread] = {}
        self._fault = HEALTHY
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def set(self, fault: Fault) -> None:
        """Have this fault from now on; live connections are reset, for kept ones would dodge it."""
        with self._lock:
            self._fault = fault
            lines = list(self._live.items())
        for line, thread in lines:
            line.stop()
            thread.join(20)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                line = _Line(client, self._upstream, self._fault)
                thread = threading.Thread(target=self._serve, args=(line,), daemon=True)
                self._live[line] = thread
                thread.start()

    def _serve(self, line: _Line) -> None:
        try:
            line.run()
        finally:
            with self._lock:
                self._live.pop(line)

    def __enter__(self) -> FaultProxy:  # noqa: PYI034 (typing.Self came with Python 3.11)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(20)
        self.set(HEALTHY)


class _Line:
    """One client's connection and the one to the shadow behind it; served by a thread of its own."""

    def __init__(self, client: socket.socket, upstream: tuple[str | None, int | None], fault: Fault) -> None:
        self._client = client
        self._upstream = upstream
        self._fault = fault
        self._left = fault.passes
        self._is_over = threading.Event()
        self._bell, self._rope = socket.socketpair()

    def stop(self) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._rope.send(b"\0")

    def run(self) -> None:
        with self._client, self._bell, self._rope, contextlib.suppress(OSError):
            with socket.create_connection(self._upstream) as shadow:
                self._relay(shadow)
            if self._is_over.is_set() or self._fault.then == "reset":
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _relay(self, shadow: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            selector.register(shadow, selectors.EVENT_READ)
            if not self._fault.is_deaf:
                selector.register(self._client, selectors.EVENT_READ)
            while not self._is_over.is_set():
                for key, _ in selector.select():
                    if key.fileobj is self._client and not self._pass(self._client, shadow):
                        return
                    if key.fileobj is shadow and not self._answer(shadow, selector):
                        return

    def _pass(self, source: socket.socket, sink: socket.socket) -> bool:
        data = source.recv(self._piece)
        sink.sendall(data)
        self._brake(len(data))
        return bool(data)

    def _answer(self, shadow: socket.socket, selector: selectors.BaseSelector) -> bool:
        """Hand on what the shadow says; False where the connection is to end."""
        data = shadow.recv(self._piece)
        if not data:
            return False
        data = self._fault.change(data)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._client.sendall(data)
        self._brake(len(data))
        if self._left != 0:
            return True
        selector.unregister(shadow)
        return self._fault.then == "silence"

    @property
    def _piece(self) -> int:
        """How much is taken at once: with a brake, what a twentieth of a second has room for."""
        pace = self._fault.bytes_per_second
        return max(int(pace / 20), 1) if pace else 65536

    def _brake(self, size: int) -> None:
        if self._fault.bytes_per_second:
            self._is_over.wait(size / self._fault.bytes_per_second)
