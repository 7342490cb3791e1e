"""An app without a line of ours in it; one more is mounted in it."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import JSONResponse

app = FastAPI()
inner = FastAPI()


@app.post("/predict")
@inner.post("/predict")
async def predict(features: dict[str, list[float]]) -> JSONResponse:
    return JSONResponse({"y": sum(features["x"])})


app.mount("/inner", inner)
