from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control

from shadow_mw.stats.noise import excess

pairs = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=20)


@given(counts=pairs)
@settings(deadline=None)
def test_it_is_the_corrected_binomial_test_of_scipy(counts: list[tuple[int, int]]) -> None:
    p_values = [
        binomtest(shadow, shadow + control, 0.5, "greater").pvalue if shadow + control else 1.0
        for shadow, control in counts
    ]
    assert excess(counts) == pytest.approx(tuple(false_discovery_control(p_values)), rel=1e-9)


def test_a_path_that_flickers_is_noise_and_one_that_moved_is_not() -> None:
    flickers, moved = excess([(105, 98), (60, 20)])
    assert flickers > 0.05
    assert moved < 0.001


def test_one_path_of_many_that_is_off_by_chance_is_forgiven() -> None:
    assert excess([(9, 1)])[0] < 0.05
    assert min(excess([(9, 1)] + [(5, 5)] * 19)) > 0.05


def test_nothing_and_nonsense() -> None:
    assert excess([]) == ()
    with pytest.raises(ValueError, match="must not be negative"):
        excess([(1, -1)])
