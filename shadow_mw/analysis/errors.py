"""Errors: what both sides did with the same requests, as a 2 by 2 table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from shadow_mw.questions.outcomes import OutcomeCount
from shadow_mw.stats import Estimate, Ratio, ratio
from shadow_mw.stats.mcnemar import error_increase, mcnemar

_ASKED = ("answered", "error", "timeout")
_LISTED = 10


class ErrorReason(msgspec.Struct, frozen=True, kw_only=True):
    """Why one side failed, and how often."""

    side: str
    """`production` or `shadow`."""
    reason: str
    count: int


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """The requests that the shadow was asked, by who answered. Immutable."""

    both_answered: int
    shadow_failed: int
    """Production answered and the shadow did not."""
    production_failed: int
    """The shadow answered and production did not."""
    both_failed: int
    production: Ratio
    """Production's error rate with its Wilson interval."""
    shadow: Ratio
    increase: Estimate
    """The shadow's error rate minus production's on the same requests."""
    p_value: float
    """McNemar's exact test of no difference."""
    reasons: tuple[ErrorReason, ...]
    """The most frequent first, at most ten."""

    @property
    def asked(self) -> int:
        """All four together."""
        return self.both_answered + self.shadow_failed + self.production_failed + self.both_failed


def compare_errors(outcomes: Iterable[OutcomeCount], confidence: float) -> Errors:
    """The table over counts of outcomes; what was not asked (an open circuit) is left out."""
    cells: Counter[tuple[bool, bool]] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    for row in outcomes:
        if row.outcome not in _ASKED:
            continue
        cells[row.production_outcome == "answered", row.outcome == "answered"] += row.n
        for side, reason in _reasons(row):
            reasons[side, reason] += row.n
    both, shadow, production, neither = (
        cells[key] for key in ((True, True), (True, False), (False, True), (False, False))
    )
    asked = cells.total()
    return Errors(
        both_answered=both,
        shadow_failed=shadow,
        production_failed=production,
        both_failed=neither,
        production=ratio(production + neither, asked, confidence),
        shadow=ratio(shadow + neither, asked, confidence),
        increase=error_increase(both, shadow, production, neither, confidence),
        p_value=mcnemar(shadow, production),
        reasons=tuple(
            ErrorReason(side=side, reason=reason, count=count)
            for (side, reason), count in reasons.most_common(_LISTED)
        ),
    )


def _reasons(row: OutcomeCount) -> list[tuple[str, str]]:
    found = []
    if row.production_outcome != "answered":
        found.append(("production", row.production_error_type or str(row.production_status)))
    if row.outcome != "answered":
        found.append(("shadow", row.error_type or row.outcome))
    return found
