"""Statistics that need no library: intervals of shares and quantiles of latencies."""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache
from statistics import NormalDist
from threading import Lock

import msgspec

from shadow_mw.records import Latency


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


class LatencyWindow:
    """The latest `size` latencies of one side, in seconds. Thread-safe."""

    def __init__(self, size: int = 1000) -> None:
        """Begin empty."""
        self._lock = Lock()
        self._latest: deque[float] = deque(maxlen=size)

    def __repr__(self) -> str:
        """How full it is."""
        return f"LatencyWindow({len(self._latest)} of {self._latest.maxlen})"

    def add(self, seconds: float) -> None:
        """Take one more; the oldest goes when the window is full."""
        with self._lock:
            self._latest.append(seconds)

    def snapshot(self) -> Latency:
        """Median and 95th percentile of what is in the window, by nearest rank: always values that occurred.

        `count` is the number of latencies in the window.
        """
        with self._lock:
            ordered = sorted(self._latest)
        if not ordered:
            return Latency()
        return Latency(
            count=len(ordered),
            p50_seconds=_nearest_rank(ordered, 50),
            p95_seconds=_nearest_rank(ordered, 95),
        )


def _nearest_rank(ordered: list[float], percent: int) -> float:
    """The smallest value that at least `percent` of all do not exceed."""
    rank = -(-percent * len(ordered) // 100)
    return ordered[rank - 1]


@lru_cache(maxsize=16)
def _normal_quantile(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
