"""An app of FastAPI that passes everything on to one of Flask."""

from __future__ import annotations

import warnings

from door_flask import app as flask_app
from fastapi import FastAPI

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather see another bridge
    from starlette.middleware.wsgi import WSGIMiddleware

    app = FastAPI()
    app.mount("/", WSGIMiddleware(flask_app))
