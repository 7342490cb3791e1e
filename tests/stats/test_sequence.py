from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta
from ville import BernoulliTest

from shadow_mw.stats import wilson_interval
from shadow_mw.stats.sequence import (
    confidence_sequence,
    e_value,
    log_evidence_above,
    sequence_bounds,
)

counts = st.integers(1, 10**8).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))
confidences = st.floats(0.65, 0.9999)


@pytest.mark.parametrize(("successes", "trials"), [(5, 5), (0, 5), (37, 40), (400, 1000), (1980, 2000)])
@pytest.mark.parametrize("threshold", [0.02, 0.5, 0.9, 0.99])
def test_evidence_is_that_of_ville_with_the_mixture_truncated(
    successes: int, trials: int, threshold: float
) -> None:
    stream = [1.0] * successes + [0.0] * (trials - successes)
    two_sided = BernoulliTest(threshold, prior=(0.1, 1.0)).fit(stream).log_e_values_[-1]
    after = beta.logsf(threshold, successes + 0.1, trials - successes + 1.0)
    expected = two_sided + after - beta.logsf(threshold, 0.1, 1.0)
    found = log_evidence_above(successes, trials - successes, math.log(threshold / (1 - threshold)))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(3, 4), (0, 3), (19, 20), (48, 50)])
def test_evidence_is_the_mixture_by_quadrature(successes: int, trials: int) -> None:
    threshold, failures = 0.8, trials - successes

    def mixed(share: float) -> float:
        return share**-0.9 * (share / threshold) ** successes * ((1 - share) / (1 - threshold)) ** failures

    above = quad(mixed, threshold, 1)[0] / quad(lambda share: share**-0.9, threshold, 1)[0]
    below = quad(lambda share: mixed(share) * ((1 - share) / share) ** -0.9, 0, threshold)[0]
    below /= quad(lambda share: (1 - share) ** -0.9, 0, threshold)[0]
    assert e_value(successes, trials, threshold, side="above") == pytest.approx(above, rel=1e-7)
    assert e_value(successes, trials, threshold, side="below") == pytest.approx(below, rel=1e-7)


@given(pair=counts, confidence=confidences)
@example(pair=(1, 10**8), confidence=0.95)
@example(pair=(10**8 - 1, 10**8), confidence=0.95)
@settings(deadline=None)
def test_the_bounds_hold_the_share_and_are_wider_than_wilson_of_the_same_error(
    pair: tuple[int, int], confidence: float
) -> None:
    successes, trials = pair
    low, high = sequence_bounds(successes, trials, confidence)
    assert 0.0 <= low <= successes / trials <= high <= 1.0
    assert (low == 0.0) == (successes == 0)
    assert (high == 1.0) == (successes == trials)
    outer = confidence_sequence(successes, trials, confidence)
    assert outer[0] <= low
    assert high <= outer[1]
    if min(successes, trials - successes) >= 5:
        inner = wilson_interval(successes, trials, 2 * confidence - 1)
        assert low <= inner[0]
        assert inner[1] <= high


@given(pair=counts, confidence=confidences, threshold=st.floats(1e-6, 1 - 1e-6))
@example(pair=(128, 128), confidence=0.75, threshold=0.75)
@example(pair=(0, 10**8), confidence=0.95, threshold=1e-6)
@settings(deadline=None)
def test_the_bounds_and_the_test_say_the_same(
    pair: tuple[int, int], confidence: float, threshold: float
) -> None:
    low, high = sequence_bounds(*pair, confidence)
    for end, side in ((low - threshold, "above"), (threshold - high, "below")):
        if abs(end) > 1e-9:
            assert (end > 0) == (e_value(*pair, threshold, side=side) >= 1 / (1 - confidence))


@given(pair=counts, confidence=confidences)
@settings(deadline=None)
def test_what_is_turned_around_has_its_bounds_turned_around(pair: tuple[int, int], confidence: float) -> None:
    low, high = sequence_bounds(*pair, confidence)
    turned = sequence_bounds(pair[1] - pair[0], pair[1], confidence)
    assert turned == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(successes=st.integers(0, 2000), failures=st.integers(0, 2000))
@settings(deadline=None)
def test_more_successes_are_more_evidence(successes: int, failures: int) -> None:
    low, high = sequence_bounds(successes, successes + failures)
    better = sequence_bounds(successes + 1, successes + failures + 1)
    assert low <= better[0]
    assert high <= better[1] + 1e-12


@pytest.mark.parametrize("side", ["above", "below"])
def test_looking_after_every_request_is_seldom_wrong_at_the_threshold(side: str) -> None:
    random = np.random.default_rng(7)
    seen = np.cumsum(random.random((300, 2000)) < 0.95, axis=1)
    trials = np.arange(1, 2001)
    log_odds = math.log(19)
    if side == "above":
        evidence = log_evidence_above(seen, trials - seen, log_odds)
    else:
        evidence = log_evidence_above(trials - seen, seen, -log_odds)
    assert np.mean((evidence >= math.log(20)).any(axis=1)) <= 0.05


def test_without_trials_nothing_is_known() -> None:
    assert confidence_sequence(0, 0) == sequence_bounds(0, 0) == (0.0, 1.0)
    assert e_value(0, 0, 0.5, side="above") == e_value(0, 0, 0.5, side="below") == 1.0


@pytest.mark.parametrize(("successes", "trials", "confidence"), [(4, 3, 0.95), (-1, 3, 0.95), (1, 2, 1.0)])
def test_nonsense_is_refused(successes: int, trials: int, confidence: float) -> None:
    for function in (confidence_sequence, sequence_bounds):
        with pytest.raises(ValueError, match="must be between"):
            function(successes, trials, confidence)
    with pytest.raises(ValueError, match="must be between"):
        e_value(1, 2, 1.0, side="above")
