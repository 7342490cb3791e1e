"""The same with the line in it, and a setting that only the line knows."""

from __future__ import annotations

from door_flask import app

from shadow_mw import ShadowWSGIMiddleware

app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app, production_version="by the line")  # type: ignore[method-assign]  # as Flask's own docs do
