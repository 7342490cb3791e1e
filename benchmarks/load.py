"""The load generator's process: constant arrivals whatever the server does (open loop).

Reads one order a line on stdin, `{"port": …, "rate": …, "seconds": …, "connections": …}`, and answers with
one line on stdout.
A latency runs from the moment when its request was due, so a server that stalls is charged for every
request that had to wait meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import selectors
import sys
from collections import deque
from typing import Any

from model import request_bodies

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = (
    b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: benchmark\r\naccept: application/json\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
)
_PATIENCE_SECONDS = 10.0
_REQUESTS = [_HEAD % len(body) + body for body in request_bodies(64)]


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request under way."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._buffer = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes, due: float) -> None:
        self._due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        if blank and found and len(body) >= int(found[1]):
            self._buffer = b""
            self._run.answered(self, self._due, is_ok=head.startswith(b"HTTP/1.1 200 "))


class Run:
    """One stretch of load on one server."""

    def __init__(self, port: int, rate: float, seconds: float, connections: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._port = port
        self._rate = rate
        self._connections = connections
        self._count = max(round(rate * seconds), 1)
        self._idle: list[Connection] = []
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._all_answered = asyncio.Event()
        self._latencies: list[float] = []
        self._late: list[float] = []
        self._open = self._count
        self._errors = 0

    async def measure(self) -> dict[str, Any]:
        """Latencies in seconds, and by how much the generator itself was late."""
        connections = [await self._connect() for _ in range(self._connections)]
        self._idle.extend(connections)
        try:
            await self._send_all()
            await asyncio.wait_for(self._all_answered.wait(), _PATIENCE_SECONDS)
        except asyncio.TimeoutError:
            self._errors += self._open
        finally:
            for connection in connections:
                connection.transport.close()
        return {
            "requests": self._count,
            "errors": self._errors,
            "latencies": self._latencies,
            "late": self._late,
        }

    def answered(self, connection: Connection, due: float, *, is_ok: bool) -> None:
        self._latencies.append(self._loop.time() - due)
        self._errors += not is_ok
        self._open -= 1
        if self._waiting:
            connection.ask(*self._waiting.popleft())
        else:
            self._idle.append(connection)
        if self._open == 0:
            self._all_answered.set()

    async def _connect(self) -> Connection:
        _, connection = await self._loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
        return connection

    async def _send_all(self) -> None:
        start = self._loop.time() + 0.05
        for number in range(self._count):
            due = start + number / self._rate
            await asyncio.sleep(due - self._loop.time())
            self._late.append(self._loop.time() - due)
            self._send(_REQUESTS[number % len(_REQUESTS)], due)

    def _send(self, request: bytes, due: float) -> None:
        if self._idle:
            self._idle.pop().ask(request, due)
        else:
            self._waiting.append((request, due))


async def _measure(order: dict[str, Any]) -> dict[str, Any]:
    return await Run(**order).measure()


def main() -> None:
    gc.disable()
    # select() takes microseconds where epoll rounds up to milliseconds, which would be ours in each latency.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    for line in sys.stdin:
        print(json.dumps(loop.run_until_complete(_measure(json.loads(line)))), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
