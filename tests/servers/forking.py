"""A script that is run by a test: an app that serves, forks and serves on, in both processes."""

from __future__ import annotations

import os
import sys
from typing import Any

import anyio
import httpx
from server_app import app

from shadow_mw.testing import drain


def serve(*numbers: int) -> None:
    async def main() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for number in numbers:
                assert (await client.post("/predict", content=b"%d" % number)).status_code == 200

    anyio.run(main)


def fork(child: Any) -> None:
    """Run `child` in a child process, which then ends as any interpreter does."""
    pid = os.fork()
    if pid == 0:
        child()
        sys.exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status


def before_first_use() -> None:
    fork(lambda: serve(1, 2))
    serve(3)


def after_first_use() -> None:
    serve(1, 2)
    assert drain()
    fork(lambda: serve(3, 4, 5))
    serve(6)


def while_under_way() -> None:
    """The shadow answers 1 and 2 once it has been asked 3, which only the child sends."""
    serve(1, 2)
    fork(lambda: serve(3))
    serve(4)


def in_a_grandchild() -> None:
    serve(1)
    fork(lambda: (serve(2), fork(lambda: serve(3))))
    serve(4)


globals()[sys.argv[1]]()
