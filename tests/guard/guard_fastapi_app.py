"""A FastAPI server that does what its path says, behind the guard."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from guard_actions import ACTIONS, FOLDER

from shadow_mw.guard import ShadowGuardMiddleware, ShadowWriteBlocked, is_shadow, statistics


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    (FOLDER / "started").write_bytes(b"the app's own, before it serves")
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/do/{action}")
def do(action: str, catch: bool = False) -> dict[str, object]:
    try:
        return {"shadow": is_shadow(), "result": ACTIONS[action]()}
    except Exception as error:
        if not catch:
            raise
        return {"shadow": is_shadow(), "caught": type(error).__name__}


@app.post("/predict")
def predict(features: dict[str, float]) -> dict[str, float]:
    """Keeps each prediction in a database, and answers though it could not."""
    with contextlib.suppress(ShadowWriteBlocked):
        ACTIONS["by_session"]()
    return {"price": 3.0 * features["rooms"]}


@app.post("/echo")
async def echo(request: Request) -> dict[str, object]:
    return {"shadow": is_shadow(), "body": (await request.body()).decode()}


@app.get("/counts")
async def counts() -> dict[str, object]:
    counted = statistics()
    return {"blocked": dict(counted.blocked), "recorded": dict(counted.recorded)}


app.add_middleware(ShadowGuardMiddleware)
