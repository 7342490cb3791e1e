"""The app in Quart."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import framework_model as model
from quart import Quart, Response, redirect, request, send_file

from shadow_mw import ShadowMiddleware


def as_json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type=model.JSON_TYPE)


def add_predictions(app: Quart) -> None:
    @app.route("/predict", methods=["GET", "HEAD", "POST"])
    async def predict() -> Response:
        if request.method != "POST":
            return as_json(model.total([float(x) for x in request.args.getlist("x")]))
        return as_json(model.predict(await request.get_data()))

    @app.post("/gzip")
    async def predict_gzipped() -> Response:
        return as_json(model.predict_gzipped(await request.get_data()))

    @app.post("/v1/models/<name>:predict")
    async def named(name: str) -> Response:
        await request.get_data()
        return as_json(model.named(name))

    @app.post("/stream")
    async def stream() -> Response:
        body = request.body

        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in body:
                yield chunk.upper()

        return Response(chunks(), content_type="text/plain")


def add_streams(app: Quart) -> None:
    @app.post("/events")
    async def events() -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for event in model.EVENTS:
                yield event

        await request.get_data()
        return Response(chunks(), content_type="text/event-stream")

    @app.post("/late-boom")
    async def late_boom() -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise model.ModelError("broken")

        await request.get_data()
        return Response(chunks())


def add_oddities(app: Quart) -> None:
    @app.post("/status/<int:code>")
    async def status(code: int) -> Any:
        await request.get_data()
        if code == 307:
            return redirect("/elsewhere", 307)
        return ("", 204) if code == 204 else as_json(b'{"detail": "no"}', code)

    @app.post("/boom")
    async def boom() -> Response:
        await request.get_data()
        raise model.ModelError("broken")

    @app.post("/file")
    async def file() -> Response:
        await request.get_data()
        return await send_file(model.FILE, add_etags=False)

    @app.post("/headers")
    async def headers() -> Response:
        await request.get_data()
        response = as_json(model.seen(list(request.headers)))
        for cookie in model.COOKIES:
            response.headers.add("set-cookie", cookie)
        return response


def make(mirror: dict[str, Any] | None) -> Any:
    app = Quart("app_quart")
    logging.getLogger("app_quart").setLevel(logging.CRITICAL)
    add_predictions(app)
    add_streams(app)
    add_oddities(app)
    if mirror is not None:
        app.asgi_app = ShadowMiddleware(app.asgi_app, **mirror)  # type: ignore[method-assign]  # Quart's documented way
    return app
