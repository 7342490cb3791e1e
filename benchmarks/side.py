"""The other side's process: a cheap shadow, and a collector that takes spans and throws them away.

HTTP/1.1 by hand on asyncio, so that it costs little of the cores that are measured. Serves until its stdin
ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import threading
from collections import Counter

from model import predict

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MIRRORED_HOST = re.compile(rb"\r\nhost: *([^\r]*)-shadow\r", re.IGNORECASE)

#: A shadow that is slow, and one that takes 100 calls a second from the eight at once that it gets.
_DELAYS = {"/slow/": 2.0, "/loaded/": 0.08}

calls: Counter[str] = Counter()


class Server(asyncio.Protocol):
    """One kept-alive connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        if blank and len(body) >= length:
            self._buffer = body[length:]
            path = _path(head)
            answer = _answer(path, body[:length])
            delay_seconds = next(
                (seconds for start, seconds in _DELAYS.items() if path.startswith(start)), 0.0
            )
            if delay_seconds:
                asyncio.get_running_loop().call_later(delay_seconds, self._transport.write, answer)
            else:
                self._transport.write(answer)


def _path(head: bytes) -> str:
    """The path; of a request that Envoy mirrored, what its host says, as in `slow.name-shadow`."""
    path = head.split(b" ", 2)[1].decode()
    found = _MIRRORED_HOST.search(head) if path == "/predict" else None
    return f"/{found[1].decode().replace('.', '/', 1)}" if found else path


def _answer(path: str, body: bytes) -> bytes:
    kind = b"application/json"
    if path == "/calls":
        content = json.dumps(calls).encode()
    elif path.startswith(("/shadow/", *_DELAYS)):
        calls[path.rpartition("/")[2]] += 1
        content = json.dumps({"probabilities": predict(json.loads(body)["features"])}).encode()
    else:
        kind, content = b"application/x-protobuf", b""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind, len(content))
    return head + content


async def _serve(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop_with_parent() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=stop_with_parent, daemon=True).start()
    await loop.create_server(Server, sock=listener)
    await stopped.wait()


if __name__ == "__main__":
    asyncio.run(_serve(socket.socket(fileno=int(sys.argv[1]))))
