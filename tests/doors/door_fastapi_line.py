"""The same with the line in it, and a setting that only the line knows."""

from __future__ import annotations

from door_fastapi import app as bare
from fastapi import FastAPI

from shadow_mw import ShadowMiddleware

app = FastAPI(routes=bare.routes)
app.add_middleware(ShadowMiddleware, production_version="by the line")
