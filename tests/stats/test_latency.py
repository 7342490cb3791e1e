from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from shadow_mw.stats.latency import paired_latency


def pairs_of(seed: int, size: int) -> list[tuple[int, int]]:
    random = np.random.default_rng(seed)
    production = random.lognormal(9, 0.5, size)
    shadow = production * random.lognormal(0.2, 0.1, size)
    return list(zip(production.astype(int).tolist(), shadow.astype(int).tolist(), strict=True))


def test_the_interval_is_that_of_scipys_paired_bootstrap() -> None:
    pairs = pairs_of(1, 2000)
    found = paired_latency(pairs)
    production, shadow = np.array(pairs).T / 1e6

    def ratio(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        return np.quantile(second, 0.95, axis=axis) / np.quantile(first, 0.95, axis=axis)

    expected = bootstrap(
        (production, shadow),
        ratio,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=1000,
        rng=2,
    ).confidence_interval
    assert found.ratio_p95.value == pytest.approx(ratio(production, shadow, 0), rel=0.005)
    assert (found.ratio_p95.low, found.ratio_p95.high) == pytest.approx(expected, rel=0.01)
    assert found.n == found.ratio_p50.n == 2000


def test_the_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    spread, ratio, median = math.hypot(0.5, 0.1), math.exp(0.2), math.exp(9) / 1e6
    truth_p95 = ratio * math.exp(1.6449 * (spread - 0.5))
    found = [paired_latency(pairs_of(seed, 400)) for seed in range(60)]
    assert np.mean([one.ratio_p95.low <= truth_p95 <= one.ratio_p95.high for one in found]) >= 0.85
    difference = median * (ratio - 1)
    assert np.mean([one.difference_p50.low <= difference <= one.difference_p50.high for one in found]) >= 0.85


def test_pairing_cancels_what_both_sides_share() -> None:
    pairs = [(us, 2 * us) for us, _ in pairs_of(3, 500)]
    found = paired_latency(pairs)
    assert (found.ratio_p95.low, found.ratio_p95.value, found.ratio_p95.high) == pytest.approx(
        (2.0, 2.0, 2.0)
    )
    assert found.difference_p50.value == pytest.approx(
        np.quantile(np.array(pairs)[:, 0], 0.5) / 1e6, rel=0.01
    )


def test_the_same_pairs_give_the_same_answer_from_at_most_twenty_thousand() -> None:
    pairs = pairs_of(4, 30_000)
    found = paired_latency(pairs)
    assert found == paired_latency(pairs)
    assert found.n == 20_000


def test_too_few_pairs_bound_nothing() -> None:
    found = paired_latency(pairs_of(5, 71))
    assert (found.ratio_p95.low, found.ratio_p95.high) == (0.0, math.inf)
    assert found.difference_p95.low == -math.inf
    assert found.ratio_p50.high < 2.0
    assert paired_latency(pairs_of(5, 72)).ratio_p95.high < math.inf


def test_no_pairs_and_no_time() -> None:
    assert paired_latency([]).ratio_p50.value is None
    assert paired_latency([(0, 0)] * 100).ratio_p95.value == 1.0
    with pytest.raises(ValueError, match="confidence must be between"):
        paired_latency([], 1.0)
