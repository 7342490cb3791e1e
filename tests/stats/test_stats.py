from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from shadow_mw.snapshots import Latency
from shadow_mw.stats import LatencyWindow, ratio, wilson_interval

counts = st.integers(1, 10**7).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def check_against_scipy(successes: int, trials: int, confidence: float) -> None:
    expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert wilson_interval(successes, trials, confidence) == pytest.approx(
        (expected.low, expected.high), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize("trials", [1, 2, 7, 30, 1000])
def test_wilson_on_a_grid(trials: int, confidence: float) -> None:
    for successes in sorted({0, 1, trials // 3, trials // 2, trials - 1, trials}):
        check_against_scipy(successes, trials, confidence)


@given(pair=counts, confidence=st.floats(0.01, 0.9999))
@settings(deadline=None)
def test_wilson_anywhere(pair: tuple[int, int], confidence: float) -> None:
    check_against_scipy(*pair, confidence)
    low, high = wilson_interval(*pair, confidence)
    assert 0.0 <= low <= pair[0] / pair[1] <= high <= 1.0


def test_wilson_at_the_ends() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == 1.0


@pytest.mark.parametrize(
    ("successes", "trials", "confidence"),
    [(-1, 3, 0.95), (4, 3, 0.95), (0, -1, 0.95), (1, 2, 1.0), (1, 2, 0.0)],
)
def test_wilson_refuses_nonsense(successes: int, trials: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="must be between"):
        wilson_interval(successes, trials, confidence)


def test_ratio() -> None:
    share = ratio(9, 10)
    assert (share.successes, share.trials, share.rate) == (9, 10, 0.9)
    assert (share.low, share.high) == wilson_interval(9, 10)
    assert ratio(0, 0).rate is None


def test_a_window_tells_values_that_occurred() -> None:
    window = LatencyWindow()
    assert window.snapshot() == Latency()
    for milliseconds in range(100, 0, -1):
        window.add(milliseconds / 1000)
    assert window.snapshot() == Latency(count=100, p50_seconds=0.05, p95_seconds=0.095)


def test_a_window_forgets_the_oldest() -> None:
    window = LatencyWindow(size=3)
    for seconds in (9.0, 9.0, 1.0, 2.0, 3.0):
        window.add(seconds)
    assert window.snapshot() == Latency(count=3, p50_seconds=2.0, p95_seconds=3.0)


@given(latencies=st.lists(st.floats(0, 100), min_size=1, max_size=200))
@settings(deadline=None)
def test_nearest_rank(latencies: list[float]) -> None:
    window = LatencyWindow()
    for seconds in latencies:
        window.add(seconds)
    p95 = window.snapshot().p95_seconds
    assert p95 in latencies
    assert sum(seconds <= p95 for seconds in latencies) >= math.ceil(len(latencies) * 19 / 20)
    assert sum(seconds < p95 for seconds in latencies) < math.ceil(len(latencies) * 19 / 20)
