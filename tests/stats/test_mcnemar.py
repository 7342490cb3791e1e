from __future__ import annotations

import itertools
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as oracle

from shadow_mw.stats.mcnemar import error_increase, mcnemar

cells = st.tuples(*[st.integers(0, 10**6)] * 4)


@given(shadow_only=st.integers(0, 300), production_only=st.integers(0, 300))
@settings(deadline=None)
def test_the_p_value_is_that_of_statsmodels(shadow_only: int, production_only: int) -> None:
    expected = oracle([[0, shadow_only], [production_only, 0]], exact=True).pvalue
    assert mcnemar(shadow_only, production_only) == pytest.approx(min(1.0, expected))


def test_without_discordant_requests_nothing_speaks_against_equality() -> None:
    assert mcnemar(0, 0) == 1.0


def test_the_increase_is_the_published_example() -> None:
    """Newcombe 1998, table III: 36, 12, 2, 0 with method 10."""
    found = error_increase(0, 12, 2, 36)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(table=cells)
@settings(deadline=None)
def test_the_increase_turns_around_with_the_sides(table: tuple[int, int, int, int]) -> None:
    ok, shadow, production, failed = table
    found = error_increase(ok, shadow, production, failed)
    turned = error_increase(ok, production, shadow, failed)
    assert -1.0 <= found.low <= found.high <= 1.0
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low))
    if found.value is not None:
        assert found.low <= found.value <= found.high
    swapped = error_increase(failed, shadow, production, ok)
    assert (-swapped.high, -swapped.low) == pytest.approx((turned.low, turned.high))


def test_the_interval_covers_the_increase_about_as_often_as_it_says() -> None:
    """Exactly, by all tables of 30 requests."""
    shares, asked = (0.75, 0.12, 0.05, 0.08), 30
    covered = 0.0
    for ok, shadow, production in itertools.product(range(asked + 1), repeat=3):
        failed = asked - ok - shadow - production
        if failed >= 0:
            found = error_increase(ok, shadow, production, failed)
            if found.low <= shares[1] - shares[2] <= found.high:
                ways = comb(asked, ok) * comb(asked - ok, shadow) * comb(asked - ok - shadow, production)
                covered += (
                    ways
                    * shares[0] ** ok
                    * shares[1] ** shadow
                    * shares[2] ** production
                    * shares[3] ** failed
                )
    assert 0.94 <= covered <= 0.985


def test_nothing_asked_and_nonsense() -> None:
    found = error_increase(0, 0, 0, 0)
    assert (found.value, found.low, found.high, found.n) == (None, -1.0, 1.0, 0)
    for refused in (lambda: error_increase(1, -1, 0, 0), lambda: mcnemar(-1, 3)):
        with pytest.raises(ValueError, match="must not be negative"):
            refused()
