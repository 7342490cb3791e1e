"""Latency: both sides' quantiles, and what the shadow takes longer on the same requests."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shadow_mw.questions.latencies import Latencies
from shadow_mw.stats import Estimate
from shadow_mw.stats.histogram import quantile
from shadow_mw.stats.latency import PairedLatency, paired_latency


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of one side's latency, in seconds, with their intervals. Immutable."""

    p50: Estimate
    p95: Estimate
    p99: Estimate


class LatencyComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies over the pairs that both sides answered. Immutable."""

    production: Quantiles
    shadow: Quantiles
    paired: PairedLatency
    """Ratios (shadow to production) and differences (seconds) over a sample of the same pairs."""


def compare_latency(
    latencies: Latencies, pairs: list[tuple[int, int]], confidence: float
) -> LatencyComparison:
    """The comparison over both histograms and a sample of pairs in microseconds."""
    return LatencyComparison(
        production=_quantiles(latencies.production, confidence),
        shadow=_quantiles(latencies.shadow, confidence),
        paired=paired_latency(pairs, confidence),
    )


def _quantiles(histogram: Mapping[int, int], confidence: float) -> Quantiles:
    p50, p95, p99 = (quantile(histogram, share, confidence) for share in (0.5, 0.95, 0.99))
    return Quantiles(p50=p50, p95=p95, p99=p99)
