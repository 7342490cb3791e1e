"""Snapshots of shadows that no worker of ours asks."""

from __future__ import annotations

from shadow_mw.settings import Settings
from shadow_mw.snapshots import Latency, ShadowStatistics
from shadow_mw.targets import Target


def unasked(
    target: Target, settings: Settings, totals: dict[tuple[str, str], dict[str, int]]
) -> ShadowStatistics:
    """How a shadow stands that was not asked yet, or is asked on another host."""
    return ShadowStatistics(
        shadow=target.name,
        url=target.url,
        routes={route: counts for (route, name), counts in totals.items() if name == target.name},
        circuit="closed",
        active=0,
        limit=settings.max_concurrency,
        waiting=0,
        production=Latency(),
        answers=Latency(),
    )
