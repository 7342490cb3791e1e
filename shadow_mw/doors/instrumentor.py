"""The entry point for OpenTelemetry: `opentelemetry-instrument` mirrors an app without a line in its code.

Only OpenTelemetry loads this module, so its package `opentelemetry-instrumentation` is needed by nobody else.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from shadow_mw.doors.automatic import hook_all, unhook_all


class ShadowInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # a base without types
    """Puts a door in front of every app of the process, by the `SHADOW_*` variables.

    `opentelemetry-instrument` finds it by itself; `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=shadow_mw` keeps it
    from that. In code: `ShadowInstrumentor().instrument()`, before the app is made.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """No package: frameworks that are not installed are not imported either."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        del kwargs
        hook_all()

    def _uninstrument(self, **kwargs: Any) -> None:
        del kwargs
        unhook_all()
