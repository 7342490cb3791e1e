"""Paired shares: who failed where the other did not."""

from __future__ import annotations

import math

from shadow_mw.stats.estimate import Estimate
from shadow_mw.stats.libraries import needs_scipy
from shadow_mw.stats.ratio import wilson_interval


@needs_scipy
def mcnemar(shadow_only: int, production_only: int) -> float:
    """The exact two-sided p-value of "both sides fail equally often"; 1.0 where nothing is discordant.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947), in its exact form: a binomial test of the discordant pairs.

    Raises:
        ValueError: a count is negative.
        MissingExtraError: scipy is not installed.

    """
    from scipy.stats import binomtest

    discordant = shadow_only + production_only
    if min(shadow_only, production_only) < 0:
        raise ValueError("counts must not be negative")
    return float(binomtest(shadow_only, discordant).pvalue) if discordant else 1.0


def error_increase(
    both_ok: int,
    shadow_only_failed: int,
    production_only_failed: int,
    both_failed: int,
    confidence: float = 0.95,
) -> Estimate:
    """The shadow's error rate minus production's, on the same requests, from -1.0 to 1.0.

    R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17 (1998), method 10: Wilson intervals of both rates, joined by
    their continuity corrected correlation. From -1.0 to 1.0 without requests.

    Raises:
        ValueError: a count is negative, or `confidence` not between 0 and 1.

    """
    cells = (both_failed, shadow_only_failed, production_only_failed, both_ok)
    if min(cells) < 0:
        raise ValueError("counts must not be negative")
    asked = sum(cells)
    if not asked:
        return Estimate(value=None, low=-1.0, high=1.0, n=0)
    below, above = _distances(cells, confidence)
    value = (shadow_only_failed - production_only_failed) / asked
    return Estimate(value=value, low=max(-1.0, value - below), high=min(1.0, value + above), n=asked)


def _distances(cells: tuple[int, int, int, int], confidence: float) -> tuple[float, float]:
    """How far the ends of the interval lie below and above the difference."""
    both, first_only, second_only, _ = cells
    asked = sum(cells)
    first, second = (both + first_only) / asked, (both + second_only) / asked
    first_low, first_high = wilson_interval(both + first_only, asked, confidence)
    second_low, second_high = wilson_interval(both + second_only, asked, confidence)
    correlation = _correlation(*cells)
    below = _joined(first - first_low, second_high - second, correlation)
    above = _joined(first_high - first, second - second_low, correlation)
    return below, above


def _joined(first: float, second: float, correlation: float) -> float:
    return math.sqrt(max(0.0, first * first - 2 * correlation * first * second + second * second))


def _correlation(both: int, first_only: int, second_only: int, neither: int) -> float:
    """Phi of the 2x2 table, positive values with Newcombe's continuity correction; 0.0 if a margin is 0."""
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    if not margins:
        return 0.0
    product: float = both * neither - first_only * second_only
    if product > 0:
        product = max(0, 2 * product - sum((both, first_only, second_only, neither))) / 2
    return product / math.sqrt(margins)
