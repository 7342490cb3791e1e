"""Latency of both sides on the same requests: ratios and differences of quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from shadow_mw.stats.estimate import Estimate
from shadow_mw.stats.libraries import needs_scipy

if TYPE_CHECKING:
    import numpy as np

_RESAMPLES = 1000
_LARGEST_SAMPLE = 20_000
_QUANTILES = (0.5, 0.95)


class PairedLatency(msgspec.Struct, frozen=True, kw_only=True):
    """What the shadow takes longer than production on the same requests. Immutable."""

    ratio_p50: Estimate
    """The shadow's median divided by production's."""
    ratio_p95: Estimate
    difference_p50: Estimate
    """The shadow's median minus production's, in seconds."""
    difference_p95: Estimate
    n: int
    """How many pairs it rests on, at most 20,000."""


@needs_scipy
def paired_latency(
    pairs: Sequence[tuple[int, int]], confidence: float = 0.95, seed: int = 0
) -> PairedLatency:
    """Ratios and differences over pairs of (production, shadow) latencies in microseconds.

    The intervals are those of the paired bootstrap, by percentiles of 1,000 resamples: B. Efron and
    R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. A pair is drawn as a whole, so that
    what makes a request slow on both sides cancels. A resample is made as a count for each pair, over
    latencies that were sorted once: 20,000 pairs take about 0.2 s. The same pairs and seed give the same
    answer. Of more than 20,000 pairs a random sample is taken. Where there are too few pairs for a bound of
    the quantile (72 for p95 at 95 %), the intervals are unbounded.

    Raises:
        ValueError: `confidence` is not between 0 and 1.
        MissingExtraError: numpy is not installed.

    """
    import numpy as np

    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    random = np.random.default_rng(seed)
    sample = np.maximum(np.asarray(pairs, dtype=np.int64).reshape(-1, 2), 1)
    if len(sample) > _LARGEST_SAMPLE:
        sample = sample[random.choice(len(sample), _LARGEST_SAMPLE, replace=False)]
    if not len(sample):
        return _paired([_unbounded(None, floor, 0) for floor in (0.0, 0.0, -math.inf, -math.inf)], 0)
    seconds = sample / 1e6
    observed = _comparisons(_quantiles(seconds, np.ones((1, len(seconds)), dtype=np.int64)))
    drawn = _comparisons(_quantiles(seconds, _draws(len(seconds), random)))
    return _paired(_estimates(observed[0].tolist(), drawn, len(seconds), confidence), len(seconds))


def _draws(size: int, random: np.random.Generator) -> Any:
    """For each resample how often it holds each pair, one at a time to save memory."""
    import numpy as np

    for _ in range(_RESAMPLES):
        yield np.bincount(random.integers(0, size, size, dtype=np.int32), minlength=size)


def _quantiles(seconds: Any, resamples: Any) -> Any:
    """A row for each resample: production's p50 and p95, the shadow's p50 and p95."""
    import numpy as np

    orders = [np.argsort(side, kind="stable") for side in seconds.T]
    sides = [side[order] for side, order in zip(seconds.T, orders, strict=True)]
    ranks = [max(1, math.ceil(q * len(seconds) - 1e-9)) for q in _QUANTILES]
    return np.array(
        [
            np.concatenate(
                [
                    side[np.searchsorted(np.cumsum(counts[order]), ranks)]
                    for side, order in zip(sides, orders, strict=True)
                ]
            )
            for counts in resamples
        ]
    )


def _comparisons(quantiles: Any) -> Any:
    """A row for each resample: both ratios, both differences."""
    import numpy as np

    production, shadow = quantiles[:, :2], quantiles[:, 2:]
    return np.hstack([shadow / production, shadow - production])


def _estimates(observed: list[float], drawn: Any, n: int, confidence: float) -> list[Estimate]:
    import numpy as np

    tail = (1 - confidence) / 2
    lows, highs = np.quantile(drawn, (tail, 1 - tail), axis=0).tolist()
    return [
        # Below this many the highest of all bounds the quantile too seldom, and so does any resample.
        _unbounded(value, floor, n)
        if q**n > tail
        else Estimate(value=value, low=min(low, value), high=max(high, value), n=n)
        for value, low, high, q, floor in zip(
            observed, lows, highs, _QUANTILES * 2, (0.0, 0.0, -math.inf, -math.inf), strict=True
        )
    ]


def _unbounded(value: float | None, floor: float, n: int) -> Estimate:
    return Estimate(value=value, low=floor, high=math.inf, n=n)


def _paired(estimates: list[Estimate], n: int) -> PairedLatency:
    ratio_p50, ratio_p95, difference_p50, difference_p95 = estimates
    return PairedLatency(
        ratio_p50=ratio_p50,
        ratio_p95=ratio_p95,
        difference_p50=difference_p50,
        difference_p95=difference_p95,
        n=n,
    )
