"""The app in FastAPI, with its own ways: models, dependencies that clean up, plain functions in threads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import framework_model as model
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel

from shadow_mw import ShadowMiddleware


class Features(BaseModel):
    x: list[float] = []


def connection() -> Iterator[str]:
    yield "a dependency that cleans up"


def add_predictions(app: FastAPI) -> None:
    @app.post("/predict", response_model=None)
    def predict(features: Features | None = None, used: str = Depends(connection)) -> dict[str, float]:
        return {"y": sum(features.x if features else [])}

    @app.api_route("/predict", methods=["GET", "HEAD"])
    async def predict_from_query(x: Annotated[list[float], Query()] = []) -> dict[str, float]:  # noqa: B006 FastAPI copies it
        return {"y": sum(x)}

    @app.post("/gzip")
    async def predict_gzipped(request: Request) -> Response:
        return Response(model.predict_gzipped(await request.body()), media_type=model.JSON_TYPE)

    @app.post("/v1/models/{name}:predict")
    async def named(name: str, features: Features) -> dict[str, str]:
        return {"model": name}


def add_streams(app: FastAPI) -> None:
    @app.post("/stream")
    async def stream(request: Request) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in request.stream():
                yield chunk.upper()

        return StreamingResponse(chunks(), media_type="text/plain")

    @app.post("/events")
    def events(features: Features) -> StreamingResponse:
        return StreamingResponse(iter(model.EVENTS), media_type="text/event-stream")

    @app.post("/late-boom")
    async def late_boom(features: Features) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise model.ModelError("broken")

        return StreamingResponse(chunks())


def add_oddities(app: FastAPI) -> None:
    @app.post("/status/{code}")
    async def status(code: int, features: Features) -> Response:
        if code == 307:
            return RedirectResponse("/elsewhere", 307)
        if code == 204:
            return Response(status_code=204)
        raise HTTPException(code, "no")

    @app.post("/boom")
    async def boom(features: Features) -> None:
        raise model.ModelError("broken")

    @app.post("/file")
    async def file(features: Features) -> FileResponse:
        return FileResponse(model.FILE)

    @app.post("/headers")
    async def headers(request: Request, features: Features) -> JSONResponse:
        response = JSONResponse([[name, value] for name, value in request.headers.items()])
        for cookie in model.COOKIES:
            response.headers.append("set-cookie", cookie)
        return response


def make(mirror: dict[str, Any] | None) -> Any:
    app = FastAPI()
    add_predictions(app)
    add_streams(app)
    add_oddities(app)
    if mirror is not None:
        app.add_middleware(ShadowMiddleware, **mirror)
    return app
