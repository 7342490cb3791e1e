"""Mirror live predictions to a shadow model with one line of middleware; production cannot tell."""

from __future__ import annotations

from shadow_mw.asgi import ShadowMiddleware
from shadow_mw.assembly.installation import drain, statistics
from shadow_mw.doors.function import request_id, shadow
from shadow_mw.doors.instrument import instrument
from shadow_mw.exceptions import (
    CircuitOpen,
    MissingExtraError,
    PayloadError,
    SettingsError,
    ShadowAddressRefused,
    ShadowAnswerTooLarge,
    ShadowError,
    ShadowModelError,
    ShadowMWError,
    ShadowProtocolError,
    ShadowStatusError,
    ShadowTimeout,
    ShadowUnreachable,
    StoreError,
    UsageError,
)
from shadow_mw.protocols import Pair
from shadow_mw.records import Comparison, Judgement, Tally
from shadow_mw.snapshots import Statistics
from shadow_mw.wsgi import ShadowWSGIMiddleware

__version__ = "0.1.0"

__all__ = [
    "CircuitOpen",
    "Comparison",
    "Judgement",
    "MissingExtraError",
    "Pair",
    "PayloadError",
    "SettingsError",
    "ShadowAddressRefused",
    "ShadowAnswerTooLarge",
    "ShadowError",
    "ShadowMWError",
    "ShadowMiddleware",
    "ShadowModelError",
    "ShadowProtocolError",
    "ShadowStatusError",
    "ShadowTimeout",
    "ShadowUnreachable",
    "ShadowWSGIMiddleware",
    "Statistics",
    "StoreError",
    "Tally",
    "UsageError",
    "__version__",
    "drain",
    "instrument",
    "request_id",
    "shadow",
    "statistics",
]
