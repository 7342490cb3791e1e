"""The production process of `memory.py`: drives its own app in memory, so many requests an order on stdin.

Each order, `{"requests": …, "rate": …}`, is answered with one line on stdout: what became of all requests so
far, and how many production itself failed to answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from fastapi import FastAPI
from model import request_bodies
from production import APPS

from shadow_mw import statistics

_BODIES = request_bodies(64)
_HEADERS = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
# So many requests are made between two looks at the clock.
_BURST = 20


class Driver:
    """A server without a network."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.statuses: Counter[int] = Counter()

    async def request(self, body: bytes) -> None:
        """One predict call, from the first byte of it to the last one of its answer."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/predict",
            "raw_path": b"/predict",
            "query_string": b"",
            "root_path": "",
            "headers": [*_HEADERS, (b"content-length", b"%d" % len(body))],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
        }
        await self._app(scope, _receiver(body), self._send)

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.statuses[message["status"]] += 1


def _receiver(body: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _drive(driver: Driver, requests: int, rate: float) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in range(requests):
        await driver.request(_BODIES[number % len(_BODIES)])
        if number % _BURST == 0:
            await asyncio.sleep(max(begun + number / rate - loop.time(), 0.0) if rate else 0.0)


def _counts() -> dict[str, int]:
    found: Counter[str] = Counter()
    for mirror in statistics():
        for shadow in mirror.shadows:
            for counts in shadow.routes.values():
                found.update(counts)
    return dict(found)


async def main() -> None:
    loop = asyncio.get_running_loop()
    app = APPS[sys.argv[1]]()
    driver = Driver(app)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await _drive(driver, **json.loads(line))
        print(json.dumps({"counts": _counts(), "statuses": driver.statuses}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
