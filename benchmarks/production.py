"""The production process: serves one variant's app on a socket that it was given, until its stdin ends."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import BackgroundTasks, FastAPI
from model import predict
from pydantic import BaseModel


class Features(BaseModel):
    features: list[float]


class Prediction(BaseModel):
    probabilities: list[float]


def bare() -> FastAPI:
    app = FastAPI()

    @app.post("/predict")
    async def serve(given: Features) -> Prediction:
        return Prediction(probabilities=predict(given.features))

    return app


def mirrored() -> FastAPI:
    from shadow_mw import ShadowMiddleware

    app = bare()
    app.add_middleware(ShadowMiddleware)
    return app


def background_task() -> FastAPI:
    """Mirrors by hand, as tutorials show it: the shadow is asked in a background task of the response."""
    import httpx
    from spans import tracer

    spans = tracer()
    url = os.environ["BENCHMARK_SHADOW"]
    client = httpx.AsyncClient(timeout=5.0)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(lifespan=lifespan)

    async def ask_shadow(features: dict[str, Any], production: dict[str, Any]) -> None:
        with spans.start_as_current_span("predict production") as span:
            span.set_attribute("prediction", str(production))
        with spans.start_as_current_span("predict shadow") as span:
            answer = await client.post(url, json=features)
            prediction = answer.json()
            span.set_attribute("prediction", str(prediction))
            span.set_attribute("agree", prediction == production)

    @app.post("/predict")
    async def serve(given: Features, background: BackgroundTasks) -> Prediction:
        prediction = Prediction(probabilities=predict(given.features))
        background.add_task(ask_shadow, given.model_dump(), prediction.model_dump())
        return prediction

    return app


APPS: dict[str, Callable[[], FastAPI]] = {
    "bare": bare,
    "mirrored": mirrored,
    "background_task": background_task,
}


def _stop_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    app, fd = APPS[sys.argv[1]](), int(sys.argv[2])
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_keep_alive=60)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    main()
