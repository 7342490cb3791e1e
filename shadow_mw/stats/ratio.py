"""A share with its interval, without any library."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import msgspec


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided score interval of a share, from 0.0 to 1.0; everything when there are no trials.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927), without continuity correction.

    Raises:
        ValueError: `successes` is not between 0 and `trials`, or `confidence` not between 0 and 1.

    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be between 0 and {trials}, not {successes}")
    z = _normal_quantile(confidence)
    if trials == 0:
        return 0.0, 1.0
    failures = trials - successes
    center = successes + z * z / 2
    half = z * math.sqrt(successes * failures / trials + z * z / 4)
    # Exact ends: rounding must not turn "never failed" into a bound below 1.0.
    low = max(0.0, (center - half) / (trials + z * z)) if successes else 0.0
    high = min(1.0, (center + half) / (trials + z * z)) if failures else 1.0
    return low, high


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """A share with its interval, such as agreement or coverage. Immutable."""

    successes: int
    trials: int
    rate: float | None
    """None when there are no trials."""
    low: float
    high: float


def ratio(successes: int, trials: int, confidence: float = 0.95) -> Ratio:
    """The share of successes with its Wilson interval.

    Raises:
        ValueError: `successes` is not between 0 and `trials`, or `confidence` not between 0 and 1.

    """
    low, high = wilson_interval(successes, trials, confidence)
    rate = successes / trials if trials else None
    return Ratio(successes=successes, trials=trials, rate=rate, low=low, high=high)


@lru_cache(maxsize=16)
def _normal_quantile(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
