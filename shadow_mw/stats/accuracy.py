"""Both sides against truths that came later, on the same requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Protocol

import msgspec

from shadow_mw.stats.estimate import Estimate
from shadow_mw.stats.mcnemar import error_increase, mcnemar
from shadow_mw.stats.ratio import Ratio, ratio


class PairedAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """How often both sides were right. Immutable."""

    production: Ratio
    shadow: Ratio
    difference: Estimate
    """The shadow's accuracy minus production's; positive where the shadow is better."""
    p_value: float
    """McNemar's exact test of no difference."""
    n: int


class PairedError(msgspec.Struct, frozen=True, kw_only=True):
    """How far both sides were off, in the unit of the numbers. Immutable."""

    production: float | None
    """The mean absolute error; None without truths."""
    shadow: float | None
    difference: Estimate
    """The shadow's mean absolute error minus production's; positive where the shadow is worse."""
    n: int


class ErrorSums(Protocol):
    """Sums over requests whose right number is known."""

    @property
    def n(self) -> int:
        """How many requests."""

    @property
    def production_absolute(self) -> float:
        """The sum of production's absolute errors."""

    @property
    def shadow_absolute(self) -> float:
        """The sum of the shadow's absolute errors."""

    @property
    def difference(self) -> float:
        """The sum of the shadow's minus production's absolute error."""

    @property
    def difference_squared(self) -> float:
        """The sum of the squares of those differences."""


def paired_accuracy(table: Mapping[tuple[bool, bool], int], confidence: float = 0.95) -> PairedAccuracy:
    """Accuracies from counts by (production was right, shadow was right).

    Intervals of both sides are Wilson's; for the difference and its p-value see `error_increase` and
    `mcnemar`.

    Raises:
        ValueError: a count is negative, or `confidence` not between 0 and 1.
        MissingExtraError: scipy is not installed.

    """
    both, production, shadow, neither = (
        table.get(key, 0) for key in ((True, True), (True, False), (False, True), (False, False))
    )
    n = both + production + shadow + neither
    return PairedAccuracy(
        production=ratio(both + production, n, confidence),
        shadow=ratio(both + shadow, n, confidence),
        difference=error_increase(both, shadow, production, neither, confidence),
        p_value=mcnemar(shadow, production),
        n=n,
    )


def paired_error(sums: ErrorSums, confidence: float = 0.95) -> PairedError:
    """Mean absolute errors from sums, with the interval of their paired difference.

    The interval is the normal one of a mean of differences: right for many requests, too narrow for fewer
    than about 30 and where a few errors are very large. Unbounded below two requests.

    Raises:
        ValueError: `confidence` is not between 0 and 1.

    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    n = sums.n
    if not n:
        unknown = Estimate(value=None, low=-math.inf, high=math.inf, n=0)
        return PairedError(production=None, shadow=None, difference=unknown, n=0)
    mean = sums.difference / n
    half = math.inf
    if n > 1:
        variance = max(0.0, sums.difference_squared - n * mean * mean) / (n - 1)
        half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(variance / n)
    return PairedError(
        production=sums.production_absolute / n,
        shadow=sums.shadow_absolute / n,
        difference=Estimate(value=mean, low=mean - half, high=mean + half, n=n),
        n=n,
    )
