"""The guard of a shadow's own server: stops or records what a mirrored request would write."""

from __future__ import annotations

from shadow_mw.exceptions import ShadowWriteBlocked
from shadow_mw.guard.asgi import ShadowGuardMiddleware
from shadow_mw.guard.watch import GuardStatistics, is_shadow, statistics
from shadow_mw.guard.wsgi import ShadowGuardWSGIMiddleware

__all__ = [
    "GuardStatistics",
    "ShadowGuardMiddleware",
    "ShadowGuardWSGIMiddleware",
    "ShadowWriteBlocked",
    "is_shadow",
    "statistics",
]
