from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from shadow_mw.stats.increase import increase_bounds
from shadow_mw.stats.mcnemar import error_increase

confidences = st.floats(0.5, 0.9999)


def test_at_the_bound_the_bets_on_each_request_have_won_what_was_wanted() -> None:
    """The capital, played request by request as in the paper."""
    shown = [1] * 12 + [-1] * 5 + [0] * 983
    low, high = increase_bounds(12, 5, 1000, 0.95)
    stakes = expit(np.linspace(-8, 4, 50))
    for bound, outcomes in ((high, shown), (-low, [-one for one in shown])):
        capital = np.ones(len(stakes))
        for one in outcomes:
            capital *= 1 + stakes / (1 - bound) * (bound - one)
        assert capital.mean() == pytest.approx(20.0, rel=1e-6)


def test_bounds_of_an_increase_hold_at_all_looks_together() -> None:
    random = np.random.default_rng(9)
    above = below = 0
    for _ in range(60):
        counts = random.multinomial(50, (0.03, 0.01, 0.96), 10).cumsum(axis=0).tolist()
        found = [increase_bounds(row[0], row[1], sum(row)) for row in counts]
        above += any(low > 0.02 for low, _ in found)
        below += any(high < 0.02 for _, high in found)
    assert above <= 3
    assert below <= 3


@given(
    cells=st.tuples(*[st.integers(0, 10**6)] * 3).filter(lambda cells: sum(cells) > 0), confidence=confidences
)
@settings(deadline=None)
def test_bounds_of_an_increase_hold_it_and_turn_around(
    cells: tuple[int, int, int], confidence: float
) -> None:
    shadow, production, asked = cells[0], cells[1], sum(cells)
    low, high = increase_bounds(shadow, production, asked, confidence)
    assert low <= (shadow - production) / asked <= high
    turned = increase_bounds(production, shadow, asked, confidence)
    assert (low, high) == pytest.approx((-turned[1], -turned[0]))


def test_five_thousand_requests_without_a_failure_bound_an_increase_of_a_thousandth() -> None:
    assert increase_bounds(0, 0, 5_000)[1] < 0.001 < increase_bounds(0, 0, 3_500)[1]


def test_it_is_wider_than_an_interval_for_one_look_but_not_by_much() -> None:
    once = error_increase(9_900, 40, 30, 30, 0.9)
    low, high = increase_bounds(40, 30, 10_000, 0.95)
    assert low < once.low < once.high < high
    assert high - low < 2.5 * (once.high - once.low)


def test_an_increase_of_a_hundred_million_requests() -> None:
    low, high = increase_bounds(200_000, 100_000, 10**8)
    assert 0.00098 < low < 0.001 < high < 0.00102


def test_nothing_and_nonsense() -> None:
    assert increase_bounds(0, 0, 0) == (-1.0, 1.0)
    assert increase_bounds(3, 0, 3)[1] == 1.0
    for counts in ((2, 2, 3), (-1, 2, 3)):
        with pytest.raises(ValueError, match="must be between"):
            increase_bounds(*counts)
    with pytest.raises(ValueError, match="confidence must be between"):
        increase_bounds(0, 0, 1, 1.0)
    assert math.isfinite(increase_bounds(0, 1, 1)[0])
