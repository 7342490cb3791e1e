"""A bare ASGI callable."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import framework_model as model

from shadow_mw import ShadowMiddleware


async def read(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def respond(send: Any, body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    fields = [(b"content-type", b"application/json"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def stream(send: Any, content_type: bytes, *chunks: bytes) -> None:
    headers = [(b"content-type", content_type)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"].removeprefix(scope["root_path"])
    if path == "/predict" and scope["method"] in ("GET", "HEAD"):
        numbers = parse_qs(scope["query_string"].decode()).get("x", [])
        return await respond(send, model.total([float(x) for x in numbers]))
    return await answer(path, scope, receive, send)


async def answer(path: str, scope: Any, receive: Any, send: Any) -> None:
    body = await read(receive)
    if path == "/predict":
        await respond(send, model.predict(body))
    elif path == "/gzip":
        await respond(send, model.predict_gzipped(body))
    elif path.endswith(":predict"):
        await respond(send, model.named(path.rpartition("/")[2].removesuffix(":predict")))
    elif path == "/stream":
        await stream(send, b"text/plain", *(body[at : at + 3].upper() for at in range(0, len(body), 3)))
    elif path == "/events":
        await stream(send, b"text/event-stream", *model.EVENTS)
    elif path.startswith("/status/"):
        await respond_status(send, int(path.rpartition("/")[2]))
    else:
        await answer_oddly(path, scope, send)


async def respond_status(send: Any, status: int) -> None:
    location = [(b"location", b"/elsewhere")] if status == 307 else []
    await respond(send, b"" if status == 204 else b'{"detail": "no"}', status, *location)


async def answer_oddly(path: str, scope: Any, send: Any) -> None:
    if path == "/boom":
        raise model.ModelError("broken")
    if path == "/late-boom":
        start = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise model.ModelError("broken")
    if path == "/file":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": str(model.FILE)})
    elif path == "/headers":
        cookies = [(b"set-cookie", cookie.encode()) for cookie in model.COOKIES]
        fields = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        await respond(send, model.seen(fields), 200, *cookies)
    else:
        await respond(send, b'{"detail": "not found"}', 404)


def make(mirror: dict[str, Any] | None) -> Any:
    return app if mirror is None else ShadowMiddleware(app, **mirror)
