"""The production process of `soak.py --app flask`: the same app in Flask, under gunicorn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import flask_production
from flask import Flask, Response, request
from model import predict
from soak_answers import PAUSE_SECONDS, parts


def bare() -> Flask:
    app = Flask("production")

    @app.post("/predict")
    def serve() -> dict[str, Any]:
        given = request.get_json()
        if given.get("production") == "raises":
            raise RuntimeError("the soak asked for it")
        return {"probabilities": predict(given["features"])}

    @app.post("/stream")
    def stream() -> Response:
        given = request.get_json()
        return Response(_slowly(given["features"], given.get("production", "")), mimetype="application/json")

    @app.get("/about/<name>")
    def about(name: str) -> Response:
        headers = [("x-of", "production"), ("x-of", name)]
        return Response(f"about {name}", headers=headers, mimetype="text/plain")

    @app.post("/upload")
    def upload() -> dict[str, int]:
        return {"bytes": len(request.get_data())}

    return app


def _slowly(features: list[float], does: str) -> Iterator[bytes]:
    for part in parts(features, does):
        time.sleep(PAUSE_SECONDS)
        yield part


def mirrored() -> Flask:
    from shadow_mw import ShadowWSGIMiddleware

    app = bare()
    app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's docs say
    return app


flask_production.APPS.update(bare=bare, mirrored=mirrored)

if __name__ == "__main__":
    flask_production.main()
