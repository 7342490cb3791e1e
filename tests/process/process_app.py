"""The ASGI app behind the servers of these tests, with the one line."""

from __future__ import annotations

from typing import Any

import anyio
from process_core import answer_to

from shadow_mw import ShadowMiddleware


async def core(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    if scope["path"] == "/statistics":
        body = await anyio.to_thread.run_sync(answer_to, scope["path"], body)
    else:
        body = answer_to(scope["path"], body)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


app = ShadowMiddleware(core)
