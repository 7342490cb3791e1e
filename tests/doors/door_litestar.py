"""An app without a line of ours in it."""

from __future__ import annotations

import json

from litestar import Litestar, Request, post


@post("/predict", status_code=200)
async def predict(request: Request) -> dict[str, float]:
    return {"y": sum(json.loads(await request.body())["x"])}


app = Litestar([predict], logging_config=None)  # its own would set up the root logger
