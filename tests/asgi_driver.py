"""Drives an ASGI app by hand, on asyncio or trio, and notes everything a server would see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anyio


@dataclass(eq=False)
class Seen:
    """What came out of an app."""

    __hash__ = None

    sent: list[dict[str, Any]] = field(default_factory=list)
    error: BaseException | None = None
    reads: int = 0

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Seen)
        mine, theirs = ((type(one.error), str(one.error)) for one in (self, other))
        return (self.sent, mine, self.reads) == (other.sent, theirs, other.reads)


def http_scope(
    method: str = "POST",
    path: str = "/predict",
    headers: list[tuple[bytes, bytes]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers or [],
        "client": ("127.0.0.1", 1234),
        "server": ("127.0.0.1", 80),
        "extensions": {"http.response.trailers": {}, "http.response.pathsend": {}, "http.response.push": {}},
        **more,
    }


def chunked(*chunks: bytes) -> list[dict[str, Any]]:
    """The messages of a request body in these chunks."""
    last = len(chunks) - 1
    return [
        {"type": "http.request", "body": chunk, "more_body": number < last}
        for number, chunk in enumerate(chunks or (b"",))
    ]


async def serve(
    app: Any, scope: dict[str, Any], incoming: list[dict[str, Any]], fail_send_at: int = -1
) -> Seen:
    """Serve one scope; after `incoming` the client is gone."""
    seen = Seen()
    queue = list(incoming)

    async def receive() -> dict[str, Any]:
        seen.reads += 1
        await anyio.lowlevel.checkpoint()
        return queue.pop(0) if queue else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        await anyio.lowlevel.checkpoint()
        if len(seen.sent) == fail_send_at:
            raise OSError("the client is gone")
        seen.sent.append({**message})

    try:
        await app({**scope, "headers": list(scope.get("headers", ()))}, receive, send)
    except Exception as error:
        seen.error = error
    return seen


def run(
    app: Any, scope: dict[str, Any], incoming: list[dict[str, Any]], backend: str = "asyncio", **more: Any
) -> Seen:
    """`serve` on a loop of its own."""
    return anyio.run(lambda: serve(app, scope, incoming, **more), backend=backend)
