from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import ks_2samp

from shadow_mw.stats.drift import jensen_shannon, ks, psi, score_psi, shift

labels = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10_000), min_size=1).filter(
    lambda counts: sum(counts.values()) > 0
)
numbers = st.floats(-1e6, 1e6)
scores = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=200)


@given(production=labels, shadow=labels)
def test_distances_of_labels_are_those_of_scipy(production: dict[str, int], shadow: dict[str, int]) -> None:
    names = sorted(production.keys() | shadow.keys())
    first, second = (np.array([side.get(name, 0) for name in names]) for side in (production, shadow))
    expected = jensenshannon(first / first.sum(), second / second.sum(), base=2)
    assert jensen_shannon(production, shadow) == pytest.approx(expected, abs=1e-6)
    first, second = (first + 0.5) / (first + 0.5).sum(), (second + 0.5) / (second + 0.5).sum()
    index = psi(production, shadow)
    assert index == pytest.approx((rel_entr(first, second) + rel_entr(second, first)).sum(), abs=1e-9)
    assert index == pytest.approx(psi(shadow, production))
    assert index >= -1e-12


def test_an_index_of_whole_shares_by_hand() -> None:
    """0.1 ln(0.6/0.5) + 0.1 ln(0.5/0.4), with so many that half a prediction makes no difference."""
    found = psi({"yes": 50_000_000, "no": 50_000_000}, {"yes": 60_000_000, "no": 40_000_000})
    assert found == pytest.approx(0.1 * math.log(1.2) + 0.1 * math.log(1.25), rel=1e-6)
    assert shift(found) == "stable"


def test_the_usual_reading() -> None:
    assert [shift(index) for index in (0.0, 0.0999, 0.1, 0.25, 0.2501)] == [
        "stable",
        "stable",
        "moderate",
        "moderate",
        "large",
    ]


def test_nothing_has_no_distance() -> None:
    assert psi({}, {"a": 1}) is psi({"a": 1}, {"a": 0}) is jensen_shannon({"a": 1}, {}) is None
    assert score_psi([]) is ks([]) is score_psi([(math.nan, 1.0)]) is None


@given(pairs=scores)
@settings(deadline=None)
def test_the_gap_of_scores_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    production, shadow = zip(*pairs, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the p-value, which is not asked for
        expected = ks_2samp(production, shadow).statistic
    assert ks(pairs) == pytest.approx(expected)
    assert ks([*pairs, (math.nan, 0.0)]) == ks(pairs)


@given(pairs=scores)
@settings(deadline=None)
def test_scores_against_themselves_have_not_moved(pairs: list[tuple[float, float]]) -> None:
    assert score_psi([(one, one) for one, _ in pairs]) == pytest.approx(0.0)
    assert score_psi(pairs) >= 0.0


def test_scores_that_moved_by_a_standard_deviation() -> None:
    production = np.random.default_rng(5).normal(size=20_000)
    moved = score_psi(list(zip(production, production + 1, strict=True)))
    # What two normal distributions one standard deviation apart have, but for the binning.
    assert moved == pytest.approx(1.0, rel=0.1)
    assert shift(moved) == "large"
    again = np.random.default_rng(6).normal(size=20_000)
    assert shift(score_psi(list(zip(production, again, strict=True)))) == "stable"


@pytest.mark.parametrize("shadow", [0.0, 2.0])
def test_a_score_that_is_always_the_same_is_told_from_its_neighbours(shadow: float) -> None:
    assert score_psi([(1.0, shadow)] * 100) > 1.0
