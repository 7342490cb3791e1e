"""The app in Litestar."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import framework_model as model
from litestar import HttpMethod, Litestar, Request, Response, post, route
from litestar.params import FromPath
from litestar.response import File, Redirect, Stream

from shadow_mw import ShadowMiddleware


def as_json(body: bytes, status: int = 200) -> Response[bytes]:
    return Response(body, status_code=status, media_type=model.JSON_TYPE)


@route("/predict", http_method=[HttpMethod.GET, HttpMethod.HEAD], status_code=200)
async def predict_from_query(request: Request) -> Response[bytes]:
    return as_json(model.total([float(x) for x in request.query_params.getall("x", [])]))


@post("/predict")
async def predict(request: Request) -> Response[bytes]:
    return as_json(model.predict(await request.body()))


@post("/gzip")
async def predict_gzipped(request: Request) -> Response[bytes]:
    return as_json(model.predict_gzipped(await request.body()))


@post("/v1/models/{name:str}")
async def named(request: Request, name: FromPath[str]) -> Response[bytes]:
    await request.body()
    return as_json(model.named(name.removesuffix(":predict")))


@post("/stream")
async def stream(request: Request) -> Stream:
    # While it streams a response, Litestar listens for a disconnect, and eats what is left of the request.
    chunks = [chunk.upper() async for chunk in request.stream()]
    return Stream(iter(chunks), media_type="text/plain")


@post("/events")
async def events(request: Request) -> Stream:
    await request.body()
    return Stream(iter(model.EVENTS), media_type="text/event-stream")


@post("/status/{code:int}")
async def status(request: Request, code: FromPath[int]) -> Response[Any]:
    await request.body()
    if code == 307:
        return Redirect("/elsewhere", status_code=307)
    return Response(None, status_code=204) if code == 204 else as_json(b'{"detail": "no"}', code)


@post("/boom")
async def boom(request: Request) -> Response[bytes]:
    await request.body()
    raise model.ModelError("broken")


@post("/late-boom")
async def late_boom(request: Request) -> Stream:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise model.ModelError("broken")

    await request.body()
    return Stream(chunks())


@post("/file")
async def file(request: Request) -> File:
    await request.body()
    return File(model.FILE, filename="model.txt")


@post("/headers")
async def headers(request: Request) -> Response[bytes]:
    await request.body()
    fields = [(name.decode(), value.decode()) for name, value in request.scope["headers"]]
    response = as_json(model.seen(fields))
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    return response


HANDLERS = [
    predict,
    predict_from_query,
    predict_gzipped,
    named,
    stream,
    events,
    status,
    boom,
    late_boom,
    file,
    headers,
]


def make(mirror: dict[str, Any] | None) -> Any:
    app = Litestar(HANDLERS, openapi_config=None, logging_config=None)
    logging.getLogger("litestar").setLevel(logging.CRITICAL)
    return app if mirror is None else ShadowMiddleware(app, **mirror)
