from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.weightstats import DescrStatsW

from shadow_mw.stats import ratio
from shadow_mw.stats.accuracy import paired_accuracy, paired_error
from shadow_mw.stats.mcnemar import error_increase


def sums_of(truth: np.ndarray, production: np.ndarray, shadow: np.ndarray) -> SimpleNamespace:
    first, second = abs(production - truth), abs(shadow - truth)
    return SimpleNamespace(
        n=len(truth),
        production_absolute=float(first.sum()),
        shadow_absolute=float(second.sum()),
        difference=float((second - first).sum()),
        difference_squared=float(((second - first) ** 2).sum()),
    )


@given(cells=st.tuples(*[st.integers(0, 1000)] * 4))
@settings(deadline=None)
def test_accuracies_are_shares_of_the_same_requests(cells: tuple[int, int, int, int]) -> None:
    both, production, shadow, neither = cells
    table = {(True, True): both, (True, False): production, (False, True): shadow, (False, False): neither}
    found = paired_accuracy(table)
    assert found.n == sum(cells)
    assert found.production == ratio(both + production, found.n)
    assert found.shadow == ratio(both + shadow, found.n)
    errors = error_increase(both, production, shadow, neither)
    if found.difference.value is not None:
        assert found.difference.value == pytest.approx(found.shadow.rate - found.production.rate)
        assert found.difference.value == pytest.approx(-errors.value)
    assert (found.difference.low, found.difference.high) == pytest.approx((-errors.high, -errors.low))
    if production + shadow:
        assert found.p_value == pytest.approx(binomtest(shadow, production + shadow).pvalue)


def test_missing_cells_are_empty() -> None:
    found = paired_accuracy({(True, False): 3, (False, True): 12})
    assert found.shadow.rate == 0.8
    assert found.difference.value == pytest.approx(0.6)
    assert paired_accuracy({}).difference.value is None


def test_errors_of_numbers_have_the_interval_of_statsmodels() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(100, 20, 500)
    production, shadow = truth + random.normal(0, 5, 500), truth + random.normal(1, 4, 500)
    found = paired_error(sums_of(truth, production, shadow))
    assert found.production == pytest.approx(np.mean(abs(production - truth)))
    assert found.shadow == pytest.approx(np.mean(abs(shadow - truth)))
    expected = DescrStatsW(abs(shadow - truth) - abs(production - truth))
    assert found.difference.value == pytest.approx(expected.mean)
    assert (found.difference.low, found.difference.high) == pytest.approx(expected.zconfint_mean(0.05))


def test_too_few_numbers_bound_nothing() -> None:
    none, one = np.array([]), np.array([1.0])
    assert paired_error(sums_of(none, none, none)).production is None
    found = paired_error(sums_of(one, one, one + 2))
    assert (found.difference.value, found.difference.low, found.difference.high) == (2.0, -math.inf, math.inf)
    with pytest.raises(ValueError, match="confidence must be between"):
        paired_error(sums_of(one, one, one), 1.0)
