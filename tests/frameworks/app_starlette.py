"""The app in Starlette."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import framework_model as model
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from shadow_mw import ShadowMiddleware


def as_json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type=model.JSON_TYPE)


async def predict(request: Request) -> Response:
    if request.method != "POST":
        return as_json(model.total([float(x) for x in request.query_params.getlist("x")]))
    return as_json(model.predict(await request.body()))


async def predict_gzipped(request: Request) -> Response:
    return as_json(model.predict_gzipped(await request.body()))


async def named(request: Request) -> Response:
    await request.body()
    return as_json(model.named(request.path_params["name"]))


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            yield chunk.upper()

    return StreamingResponse(chunks(), media_type="text/plain")


async def events(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for event in model.EVENTS:
            yield event

    await request.body()
    return StreamingResponse(chunks(), media_type="text/event-stream")


async def status(request: Request) -> Response:
    await request.body()
    code = request.path_params["code"]
    if code == 307:
        return RedirectResponse("/elsewhere", 307)
    return Response(status_code=204) if code == 204 else as_json(b'{"detail": "no"}', code)


async def boom(request: Request) -> Response:
    await request.body()
    raise model.ModelError("broken")


async def late_boom(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise model.ModelError("broken")

    await request.body()
    return StreamingResponse(chunks())


async def file(request: Request) -> Response:
    await request.body()
    return FileResponse(model.FILE)


async def headers(request: Request) -> Response:
    await request.body()
    response = as_json(model.seen(request.headers.items()))
    for cookie in model.COOKIES:
        response.headers.append("set-cookie", cookie)
    return response


ROUTES = [
    Route("/predict", predict, methods=["GET", "HEAD", "POST"]),
    Route("/gzip", predict_gzipped, methods=["POST"]),
    Route("/v1/models/{name}:predict", named, methods=["POST"]),
    Route("/stream", stream, methods=["POST"]),
    Route("/events", events, methods=["POST"]),
    Route("/status/{code:int}", status, methods=["POST"]),
    Route("/boom", boom, methods=["POST"]),
    Route("/late-boom", late_boom, methods=["POST"]),
    Route("/file", file, methods=["POST"]),
    Route("/headers", headers, methods=["POST"]),
]


def make(mirror: dict[str, Any] | None) -> Any:
    app = Starlette(routes=ROUTES)
    if mirror is not None:
        app.add_middleware(ShadowMiddleware, **mirror)
    return app
