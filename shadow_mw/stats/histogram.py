"""Histograms of latencies in bins that each are one percent wide: {bin: count}.

Bin i holds the latencies from 1.01^i up to 1.01^(i+1) microseconds, so the middle that stands for it is off
by half a percent at most. Histograms of the same bins add up, whatever store they come from.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate

import msgspec

from shadow_mw.stats.estimate import Estimate
from shadow_mw.stats.libraries import needs_scipy

_WIDTH = math.log(1.01)
_MICROSECONDS = 1e-6


class Density(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of a chart of latencies on a logarithmic axis. Immutable."""

    low: float
    """In seconds, included."""
    high: float
    """In seconds, not included."""
    share: float
    """Of all latencies."""


def bin_of(us: int) -> int:
    """The bin of a latency in microseconds; what is below 1 counts as 1."""
    return math.floor(math.log(max(us, 1)) / _WIDTH)


def value_of(number: int) -> float:
    """The geometric middle of a bin, in seconds."""
    return math.exp((number + 0.5) * _WIDTH) * _MICROSECONDS


def merge(*histograms: Mapping[int, int]) -> dict[int, int]:
    """All histograms as one."""
    total: Counter[int] = Counter()
    for histogram in histograms:
        total.update(histogram)
    return dict(total)


@needs_scipy
def quantile(histogram: Mapping[int, int], q: float, confidence: float = 0.95) -> Estimate:
    """A quantile in seconds, such as q = 0.95, by nearest rank, with its interval by order statistics.

    W. J. Conover, "Practical Nonparametric Statistics" (3rd edition 1999), section 3.2: the ranks of the ends
    are quantiles of the binomial distribution, whatever the distribution of the latencies. Where there are
    too few latencies for a bound it is 0.0 or infinite.

    Raises:
        ValueError: `q` or `confidence` is not between 0 and 1.
        MissingExtraError: scipy is not installed.

    """
    for name, share in (("q", q), ("confidence", confidence)):
        if not 0.0 < share < 1.0:
            raise ValueError(f"{name} must be between 0 and 1, not {share}")
    bins = sorted(number for number, count in histogram.items() if count > 0)
    reached = list(accumulate(histogram[number] for number in bins))
    if not bins:
        return Estimate(value=None, low=0.0, high=math.inf, n=0)
    low, high = _ranks(reached[-1], q, confidence)
    middle = max(1, math.ceil(q * reached[-1] - 1e-9))
    value, low_value, high_value = (_at_rank(bins, reached, rank) for rank in (middle, low, high))
    return Estimate(value=value, low=low_value, high=high_value, n=reached[-1])


def density(histogram: Mapping[int, int], points: int = 100) -> tuple[Density, ...]:
    """At most `points` bars of equal width on a logarithmic axis, gaps as bars of share 0.0.

    Raises:
        ValueError: `points` is not positive.

    """
    if points < 1:
        raise ValueError(f"points must be positive, not {points}")
    bins = [number for number, count in histogram.items() if count > 0]
    if not bins:
        return ()
    first, last = min(bins), max(bins)
    step = -(-(last - first + 1) // points)
    bars: Counter[int] = Counter()
    for number in bins:
        bars[(number - first) // step] += histogram[number]
    return tuple(
        Density(
            low=_edge(first + bar * step),
            high=_edge(first + (bar + 1) * step),
            share=bars[bar] / bars.total(),
        )
        for bar in range((last - first) // step + 1)
    )


def _ranks(trials: int, q: float, confidence: float) -> tuple[int, int]:
    """The ranks, from 1, of the ends of the interval; 0 and trials + 1 stand for no bound."""
    from scipy.stats import binom

    tail = (1 - confidence) / 2
    return int(binom.ppf(tail, trials, q)), int(binom.isf(tail, trials, q)) + 1


def _at_rank(bins: list[int], reached: list[int], rank: int) -> float:
    if rank < 1:
        return 0.0
    if rank > reached[-1]:
        return math.inf
    return value_of(bins[bisect_left(reached, rank)])


def _edge(number: int) -> float:
    return math.exp(number * _WIDTH) * _MICROSECONDS
