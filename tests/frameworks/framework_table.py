"""The frameworks that the one line stands in front of."""

from __future__ import annotations

import app_bare
import app_django
import app_fastapi
import app_litestar
import app_quart
import app_starlette

FRAMEWORKS = {
    "bare": app_bare,
    "starlette": app_starlette,
    "fastapi": app_fastapi,
    "litestar": app_litestar,
    "quart": app_quart,
    "django": app_django,
}
