"""A Flask server that does what its path says, behind the guard."""

from __future__ import annotations

import contextlib
from typing import Any

from flask import Flask, request
from guard_actions import ACTIONS

from shadow_mw.guard import ShadowGuardWSGIMiddleware, ShadowWriteBlocked, is_shadow, statistics

app = Flask(__name__)


@app.post("/do/<action>")
def do(action: str) -> dict[str, object]:
    try:
        return {"shadow": is_shadow(), "result": ACTIONS[action]()}
    except Exception as error:
        if "catch" not in request.args:
            raise
        return {"shadow": is_shadow(), "caught": type(error).__name__}


@app.post("/predict")
def predict() -> dict[str, float]:
    """Keeps each prediction in a database, and answers though it could not."""
    with contextlib.suppress(ShadowWriteBlocked):
        ACTIONS["by_session"]()
    return {"price": 3.0 * request.get_json()["rooms"]}


@app.post("/echo")
def echo() -> dict[str, object]:
    return {"shadow": is_shadow(), "body": request.get_data(as_text=True)}


@app.post("/stream/<action>")
def stream(action: str) -> Any:
    """Writes only while its body is sent."""

    def chunks() -> Any:
        yield b"first,"
        try:
            ACTIONS[action]()
        except Exception as error:
            yield type(error).__name__.encode()
        else:
            yield b"written"

    return chunks()


@app.get("/counts")
def counts() -> dict[str, object]:
    counted = statistics()
    return {"blocked": dict(counted.blocked), "recorded": dict(counted.recorded)}


app.wsgi_app = ShadowGuardWSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign] # as Flask's docs have it
