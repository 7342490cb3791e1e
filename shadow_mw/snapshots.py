"""Snapshots: how a mirror and its shadows stand at one moment. All immutable."""

from __future__ import annotations

from typing import Literal

import msgspec

from shadow_mw.records import Mode
from shadow_mw.restraints import Restraint


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of one side's latest answers, in seconds; None before the first."""

    count: int = 0
    p50_seconds: float | None = None
    p95_seconds: float | None = None


class ShadowStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of what one shadow was asked and how it did."""

    shadow: str
    url: str
    routes: dict[str, dict[str, int]]
    """For each route the counts since the start, by the words of a `Tally`."""
    circuit: Literal["closed", "open", "half-open"]
    active: int
    """Calls under way."""
    limit: int
    """Calls that may be under way at once."""
    waiting: int
    """Exchanges that wait for a call."""
    production: Latency
    answers: Latency
    """The shadow's own latency."""

    def count(self, word: str) -> int:
        """The count of a word over all routes."""
        return sum(counts.get(word, 0) for counts in self.routes.values())


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of one mirror. Immutable."""

    mode: Mode
    queue: str
    shadows: tuple[ShadowStatistics, ...]
    restraint: Restraint | None = None
    """Of the app's processes that hold back the one that does so most; None where none does."""
    lag: int | None = None
    """How many exchanges wait at the broker, as far as this worker knows; None where it knows of none."""
