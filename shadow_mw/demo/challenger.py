"""The demo's shadow app: a random forest behind the same interface, with a fault on request."""

from __future__ import annotations

import os
from typing import Annotated, Any

import anyio
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field

from shadow_mw.demo.models import PIXELS, train_challenger

FAULT = os.environ.get("DEMO_FAULT", "")
SLOW_SECONDS = 3.0
"""Longer than the demo's deadline."""


class Features(BaseModel):
    """The pixels of one picture, row by row."""

    pixels: Annotated[list[float], Field(min_length=PIXELS, max_length=PIXELS)]


model = train_challenger(shuffled=FAULT == "wrong")
app = FastAPI(title="Digits", description="A random forest, in the shadow.")


async def misbehave() -> None:
    """Do what `DEMO_FAULT` says before the prediction."""
    if FAULT == "slow":
        await anyio.sleep(SLOW_SECONDS)
    if FAULT == "errors":
        raise HTTPException(500, "the demo's shadow fails on purpose")


@app.post("/predict", dependencies=[Depends(misbehave)])
def predict(features: Features) -> dict[str, Any]:
    """The digit in a picture."""
    return model.predict(features.pixels)


@app.get("/health")
def health() -> dict[str, str]:
    """Answers once the model is trained."""
    return {"model": "random forest"}
