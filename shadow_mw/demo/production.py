"""The demo's production app: a model behind FastAPI, mirrored by one line."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel, Field

import shadow_mw
from shadow_mw import ShadowMiddleware
from shadow_mw.demo.models import PIXELS, held_out_inputs, train_production


class Features(BaseModel):
    """The pixels of one picture, row by row."""

    pixels: Annotated[list[float], Field(min_length=PIXELS, max_length=PIXELS)]


model = train_production()
app = FastAPI(title="Digits", description="Logistic regression, in production.")
app.add_middleware(ShadowMiddleware)


@app.post("/predict")
def predict(features: Features) -> dict[str, Any]:
    """The digit in a picture."""
    return model.predict(features.pixels)


@app.get("/health")
def health() -> dict[str, str]:
    """Answers once the model is trained."""
    return {"model": "logistic regression"}


@app.get("/inputs")
def inputs() -> list[list[float]]:
    """What the demo's caller sends."""
    return held_out_inputs()


@app.get("/statistics")
def statistics() -> Any:
    """The mirror's own snapshot, for the demo's screen."""
    return msgspec.to_builtins(shadow_mw.statistics())
