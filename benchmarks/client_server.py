"""The other end of `clients.py`: answers every HTTP request with the same bytes, until stdin ends."""

from __future__ import annotations

import asyncio
import sys

_BODY = b'{"probabilities": [0.000001, 0.000002, 0.000003]}'
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ndate: Sun, 01 Mar 2026 12:00:00 GMT\r\nserver: benchmark\r\n"
    b"content-length: %d\r\ncontent-type: application/json\r\n\r\n%b" % (len(_BODY), _BODY)
)


class Answering(asyncio.Protocol):
    def __init__(self) -> None:
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, body = self._held.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            self._held = b""
            self._transport.write(_ANSWER)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
