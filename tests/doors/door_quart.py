"""An app without a line of ours in it."""

from __future__ import annotations

from quart import Quart, request

app = Quart(__name__)


@app.post("/predict")
async def predict() -> dict[str, float]:
    return {"y": sum((await request.get_json())["x"])}
