from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import quantile_test

from shadow_mw.stats import Estimate
from shadow_mw.stats.histogram import bin_of, density, merge, quantile, value_of

latencies = st.lists(st.integers(0, 10**9), min_size=1, max_size=300)


@given(us=st.integers(1, 10**10))
def test_the_middle_of_a_bin_is_within_half_a_percent(us: int) -> None:
    assert value_of(bin_of(us)) == pytest.approx(us / 1e6, rel=0.00501)


def test_what_is_below_a_microsecond_counts_as_one() -> None:
    assert bin_of(0) == bin_of(1) == 0


@given(sample=latencies, q=st.sampled_from([0.01, 0.5, 0.95, 0.99]), confidence=st.sampled_from([0.8, 0.95]))
@settings(deadline=None)
def test_a_quantile_has_the_interval_of_scipy(sample: list[int], q: float, confidence: float) -> None:
    clamped = np.maximum(sample, 1) / 1e6
    found = quantile(Counter(map(bin_of, sample)), q, confidence)
    low, high = quantile_test(clamped, q=1.0, p=q).confidence_interval(confidence)
    assert found.n == len(sample)
    assert found.value == pytest.approx(np.quantile(clamped, q, method="inverted_cdf"), rel=0.00501)
    assert found.low == pytest.approx(0.0 if math.isnan(low) else low, rel=0.00501)
    assert found.high == pytest.approx(math.inf if math.isnan(high) else high, rel=0.00501)


def test_the_interval_of_many_is_narrow() -> None:
    sample = np.random.default_rng(3).lognormal(9, 0.5, 100_000).astype(int)
    found = quantile(Counter(map(bin_of, sample.tolist())), 0.95)
    assert found.value == pytest.approx(math.exp(9 + 0.5 * 1.6449) / 1e6, rel=0.01)
    assert found.high / found.low < 1.04


def test_without_latencies_there_is_no_quantile() -> None:
    assert quantile({}, 0.5) == Estimate(value=None, low=0.0, high=math.inf, n=0)
    assert density({}) == ()


@given(first=latencies, second=latencies)
def test_histograms_add_up(first: list[int], second: list[int]) -> None:
    both = merge(Counter(map(bin_of, first)), Counter(map(bin_of, second)))
    assert both == Counter(map(bin_of, first + second))


@given(sample=latencies, points=st.integers(1, 50))
def test_a_density_holds_all_latencies_in_few_bars(sample: list[int], points: int) -> None:
    histogram = Counter(map(bin_of, sample))
    bars = density(histogram, points)
    assert len(bars) <= points
    assert sum(bar.share for bar in bars) == pytest.approx(1.0)
    assert all(left.high == right.low for left, right in itertools.pairwise(bars))
    assert bars[0].low <= value_of(min(histogram))
    assert value_of(max(histogram)) <= bars[-1].high


@pytest.mark.parametrize(("q", "confidence"), [(0.0, 0.95), (1.0, 0.95), (0.5, 1.0)])
def test_nonsense_is_refused(q: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        quantile({1: 1}, q, confidence)
    with pytest.raises(ValueError, match="points must be positive"):
        density({1: 1}, 0)
