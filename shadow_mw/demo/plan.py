"""What a run of the demo is to do."""

from __future__ import annotations

import msgspec

from shadow_mw.records import Mode


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The choices of `shadow-mw demo`. Immutable."""

    requests: int | None = None
    """How many predict calls; None goes on until Ctrl-C."""
    fault: str = ""
    """What the shadow does wrong: `slow`, `down`, `errors` or `wrong`; empty for nothing."""
    port: int = 0
    """Production's; 0 takes a free one."""
    mode: Mode = "async"
    has_dashboard: bool = True
    """Whether to serve the page over the demo's store."""
    stays: bool = False
    """Whether the page is served after the report, until Ctrl-C."""
