from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from shadow_mw.stats.kappa import kappa

confusions = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), st.integers(0, 10_000), min_size=1
)


@given(confusion=confusions)
@settings(deadline=None)
def test_it_is_that_of_statsmodels(confusion: dict[tuple[str, str], int]) -> None:
    found = kappa(confusion)
    assert found.n == sum(confusion.values())
    if found.value is None:
        assert len({label for pair, count in confusion.items() if count for label in pair}) <= 1
        return
    table = np.array([[confusion.get((first, second), 0) for second in "abcd"] for first in "abcd"])
    with np.errstate(all="ignore"):
        expected = cohens_kappa(table)
    assert found.value == pytest.approx(expected.kappa, abs=1e-9)
    low, high = (expected.kappa_low, expected.kappa_upp)
    if not math.isnan(low):
        assert found.low == pytest.approx(max(-1.0, low), abs=1e-6)
        assert found.high == pytest.approx(min(1.0, high), abs=1e-6)


def test_it_is_the_textbook_example() -> None:
    """Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, table 18.1: 0.68."""
    table = {("a", "a"): 75, ("a", "b"): 1, ("a", "c"): 4, ("b", "a"): 5, ("b", "b"): 4, ("b", "c"): 1}
    table |= {("c", "a"): 0, ("c", "b"): 0, ("c", "c"): 10}
    found = kappa(table)
    assert found.value == pytest.approx(0.68, abs=0.005)
    # Its standard error is 0.087.
    assert (found.high - found.low) / 2 / 1.96 == pytest.approx(0.087, abs=0.001)


def test_one_label_and_no_label_say_nothing_beyond_chance() -> None:
    assert kappa({}).value is None
    assert kappa({("a", "a"): 5}).value is None
    assert kappa(Counter({("a", "a"): 5, ("b", "b"): 1})).value == pytest.approx(1.0)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        kappa({("a", "b"): -1})
    with pytest.raises(ValueError, match="confidence must be between"):
        kappa({}, 0.0)
