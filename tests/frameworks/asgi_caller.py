"""The caller of these tests: one ASGI request, and all that comes back, on any event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from asgi_driver import chunked, http_scope

LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


@dataclass
class Call:
    """One request; the client is gone after `leaves_after` messages of the response, if that is set."""

    target: str = "/predict"
    method: str = "POST"
    chunks: tuple[bytes, ...] = (b'{"x": [1, 2, 3]}',)
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)
    scope: dict[str, Any] = field(default_factory=dict)
    path: str | None = None
    leaves_after: int | None = None
    sends: int | None = None
    """How many of the chunks arrive before the client is gone; None for all."""
    hears: Callable[[dict[str, Any]], None] = lambda message: None
    """Called with each message that reaches the client."""

    def asgi_scope(self) -> dict[str, Any]:
        raw, _, query = self.target.partition("?")
        length = [] if len(self.chunks) > 1 else [(b"content-length", b"%d" % len(self.chunks[0]))]
        headers = [(b"host", b"localhost"), *length, *self.headers]
        scope = http_scope(self.method, self.path or raw, headers, raw_path=raw.encode())
        return {**scope, "query_string": query.encode(), "state": {}, **self.scope}


@dataclass
class Reply:
    """What the caller gets, in the order of the wire; `error` is what the server would log."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    is_complete: bool = False
    others: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(bytes(name), bytes(value)) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.is_complete = not message.get("more_body", False)
        else:
            self.others.append(message)
            self.is_complete = message["type"] == "http.response.pathsend"

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)


async def call(app: Any, one: Call) -> Reply:
    """Send one request and wait for the app to be done with it."""
    reply = Reply()
    incoming = chunked(*one.chunks)[: one.sends]
    is_over = anyio.Event()
    taken = 0

    async def receive() -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        if incoming:
            return incoming.pop(0)
        if one.sends is None:
            await is_over.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal taken
        await anyio.lowlevel.checkpoint()
        taken += 1
        reply.take(message)
        one.hears(message)
        if reply.is_complete or (one.leaves_after is not None and taken >= one.leaves_after):
            is_over.set()

    try:
        with anyio.fail_after(20):
            await app(one.asgi_scope(), receive, send)
    except Exception as error:
        reply.error = repr(error)
    return reply


def call_on(loop: str, app: Any, one: Call) -> Reply:
    """`call` on a loop of its own."""
    return anyio.run(call, app, one, **LOOPS[loop])
