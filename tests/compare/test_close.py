from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow_mw.compare.close import Close
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement

moderate = st.floats(-1e150, 1e150) | st.sampled_from([math.inf, -math.inf, math.nan])
tolerances = st.sampled_from([0.0, 1e-8, 1e-5, 0.1, 2.0])


def close(production: object, shadow: object, rtol: float = 1e-5, atol: float = 1e-8) -> Judgement:
    return Close(rtol, atol).compare(Pair(production, shadow))


@given(production=moderate, factor=st.floats(0.9, 1.1), shadow=moderate, rtol=tolerances, atol=tolerances)
@settings(deadline=None)
def test_numbers_are_as_close_as_numpy_says(
    production: float, factor: float, shadow: float, rtol: float, atol: float
) -> None:
    for other in (shadow, production * factor):
        with np.errstate(all="ignore"):
            expected = bool(np.isclose(other, production, rtol=rtol, atol=atol, equal_nan=True))
        assert (close(production, other, rtol, atol).verdict == "agree") is expected


def test_production_is_the_reference_of_the_relative_tolerance() -> None:
    assert close(100.0, 110.0, rtol=0.1, atol=0.0).verdict == "agree"
    assert close(110.0, 98.9, rtol=0.1, atol=0.0).verdict == "disagree"
    assert close(100.0, 110.5, rtol=0.1, atol=0.0).verdict == "disagree"
    assert close(110.5, 100.0, rtol=0.1, atol=0.0).verdict == "agree"


def test_delta_is_the_largest_difference_wherever_it_stands() -> None:
    judgement = close({"a": [1.0, 2.0], "b": {"c": -1}}, {"a": [1.5, 2.0], "b": {"c": 2}}, rtol=10.0)
    assert (judgement.verdict, judgement.delta) == ("agree", 3.0)
    assert close({"a": "x"}, {"a": "y"}).delta is None
    assert close([1, 2], [1, 2]).delta == 0.0


def test_infinities_and_nan() -> None:
    assert close([math.nan, math.inf], [math.nan, math.inf]).verdict == "agree"
    assert close(math.nan, math.nan).delta is None
    judgement = close([math.inf, math.nan, 1.0], [-math.inf, 1.0, 1.0], rtol=10.0)
    assert judgement.diff_paths == ("$[0]", "$[1]")
    assert judgement.delta == 0.0
    assert close(math.inf, 10**400).verdict == "disagree"


@pytest.mark.parametrize(
    ("production", "shadow", "verdict"),
    [
        (10**400, 10**400 + 1, "agree"),
        (10**400, 2 * 10**400, "disagree"),
        (10**400, 1.0, "disagree"),
        (1.0, -(10**400), "disagree"),
        (1e308, -1e308, "disagree"),
    ],
)
def test_huge_numbers_do_not_overflow(production: float, shadow: float, verdict: str) -> None:
    assert close(production, shadow).verdict == verdict


def test_what_is_not_json_is_incomparable() -> None:
    judgement = close({"a": 1}, b"<html>")
    assert judgement.verdict == "incomparable"
    assert "the shadow's prediction is not JSON" in judgement.reason
    assert "exact" in judgement.reason


def test_other_values_must_be_equal() -> None:
    assert close({"a": 1.0, "b": "x"}, {"a": 1.0 + 1e-9, "b": "y"}).diff_paths == ("$.b",)
