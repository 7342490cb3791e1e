"""Steps: how finely a stretch of time is cut for a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

_SECOND_US = 1_000_000
_STEPS_US = tuple(
    seconds * _SECOND_US
    for seconds in (
        1,
        5,
        10,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
        3600,
        7200,
        10800,
        21600,
        43200,
        86400,
        604800,
    )
)
#: As many as a chart of a few hundred pixels can tell apart.
_MOST_STEPS = 96


def step_for(length_us: int) -> int:
    """The least round step that cuts a stretch into few enough pieces, in microseconds."""
    return next((step for step in _STEPS_US if length_us <= step * _MOST_STEPS), length_us // _MOST_STEPS + 1)


def filled(found: Mapping[int, T], step_us: int) -> list[tuple[int, T | None]]:
    """Every step from the first to the last, those in which nothing was with None, so that a line breaks."""
    if not found:
        return []
    starts = range(min(found), max(found) + 1, step_us)
    # Steps of another origin than ours (a store's own idea of a week) are shown as they are.
    if not found.keys() <= set(starts):
        return [(start, found[start]) for start in sorted(found)]
    return [(start, found.get(start)) for start in starts]


def nearest_rank(histogram: Mapping[int, int], share: float) -> int | None:
    """The bin that holds a quantile, by nearest rank; None for an empty histogram."""
    wanted = share * sum(histogram.values())
    seen = 0
    for bin_ in sorted(histogram):
        seen += histogram[bin_]
        if seen >= wanted:
            return bin_
    return None


def spread(values: Sequence[float], low: float, high: float) -> tuple[float, float]:
    """Two quantiles of some values, by nearest rank."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return ordered[round(low * last)], ordered[round(high * last)]
