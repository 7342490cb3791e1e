"""The production process of `soak.py`: FastAPI under uvicorn, with every way to answer, well and badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import production
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from model import predict
from pydantic import BaseModel
from soak_answers import PAUSE_SECONDS, parts


class Given(BaseModel):
    features: list[float]
    production: str = ""


def bare() -> FastAPI:
    app = FastAPI()

    @app.post("/predict")
    async def serve(given: Given) -> dict[str, Any]:
        if given.production == "raises":
            raise RuntimeError("the soak asked for it")
        return {"probabilities": predict(given.features)}

    @app.post("/stream")
    async def stream(given: Given) -> StreamingResponse:
        return StreamingResponse(_slowly(given), media_type="application/json")

    @app.get("/about/{name}")
    async def about(name: str) -> PlainTextResponse:
        answer = PlainTextResponse(f"about {name}", headers={"x-of": "production"})
        answer.headers.append("x-of", name)
        return answer

    @app.post("/upload")
    async def upload(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return app


async def _slowly(given: Given) -> AsyncIterator[bytes]:
    for part in parts(given.features, given.production):
        await asyncio.sleep(PAUSE_SECONDS)
        yield part


def mirrored() -> FastAPI:
    from shadow_mw import ShadowMiddleware

    app = bare()
    app.add_middleware(ShadowMiddleware)
    return app


production.APPS.update(bare=bare, mirrored=mirrored)

if __name__ == "__main__":
    production.main()
