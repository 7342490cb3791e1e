from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple
from scipy.stats import false_discovery_control, fisher_exact

from shadow_mw.stats import ratio
from shadow_mw.stats.segments import worst_segments


def segment(key: str, value: str, agree: int, disagree: int, sampling: int = 1) -> SimpleNamespace:
    return SimpleNamespace(key=key, value=value, agree=agree, disagree=disagree, sampling=sampling)


def test_the_segment_that_a_pooled_share_hides_comes_first() -> None:
    countries = [segment("country", value, 9_900, 100) for value in ("de", "fr", "it", "es")]
    bad = segment("country", "pt", 955, 45)
    plans = [segment("plan", "a", 20_000, 200), segment("plan", "b", 20_555, 245)]
    worst, *others = worst_segments([*countries, bad, *plans])
    assert (worst.key, worst.value) == ("country", "pt")
    for found, expected in ((worst.agreement, ratio(955, 1000)), (worst.others, ratio(39_600, 40_000))):
        assert astuple(found) == pytest.approx(astuple(expected))
    assert worst.times == pytest.approx(4.5)
    assert worst.q_value < 1e-10
    assert all(found.q_value > 0.05 for found in others)


rows = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=12)


@given(table=rows)
@settings(deadline=None)
def test_the_p_values_are_fishers_and_the_q_values_scipys(table: list[tuple[int, int]]) -> None:
    found = worst_segments(
        [segment("key", str(place), agree, disagree) for place, (agree, disagree) in enumerate(table)],
        limit=100,
        least=1,
    )
    agree_all, disagree_all = map(sum, zip(*table, strict=True))
    expected = {}
    for place, (agree, disagree) in enumerate(table):
        if agree + disagree:
            sides = [[disagree, agree], [disagree_all - disagree, agree_all - agree]]
            expected[str(place)] = fisher_exact(sides, alternative="greater").pvalue
    assert {one.value: one.p_value for one in found} == pytest.approx(expected, rel=1e-6, abs=1e-12)
    if expected:
        corrected = false_discovery_control(np.clip(list(expected.values()), 0, 1))
        assert {one.value: one.q_value for one in found} == pytest.approx(
            dict(zip(expected, corrected, strict=True)), rel=1e-6, abs=1e-12
        )
    for one in found:
        assert one.agreement.low <= one.agreement.rate <= one.agreement.high


def test_a_sample_of_the_agreements_makes_nothing_significant_by_itself() -> None:
    """Twenty segments alike, one agreement in 50 counted: the scaled counts differ by much, by chance."""
    random = np.random.default_rng(11)
    wrong = 0
    for _ in range(200):
        counted, disagree = random.poisson(8, 20), random.poisson(8, 20)
        found = worst_segments(
            [
                segment("key", str(place), 50 * int(agree), int(disagrees), 50)
                for place, (agree, disagrees) in enumerate(zip(counted, disagree, strict=True))
            ]
        )
        wrong += any(one.q_value <= 0.05 for one in found)
    assert wrong <= 20


def test_the_interval_of_a_sampled_segment_is_that_of_what_was_counted() -> None:
    (found,) = worst_segments([segment("key", "a", 50 * 40, 20, 50)])
    assert found.agreement.rate == pytest.approx(2000 / 2020)
    assert found.agreement.low < ratio(2000, 2020).low < 2000 / 2020 < found.agreement.high
    assert found.times is None
    assert found.p_value == 1.0


def test_the_significant_come_first_and_the_small_are_left_out() -> None:
    found = worst_segments(
        [
            segment("size", "huge", 50_000, 1_000),
            segment("size", "bad", 900, 100),
            segment("size", "tiny", 0, 29),
            segment("size", "few", 28, 2),
        ],
        limit=2,
    )
    assert [one.value for one in found] == ["bad", "few"]
    assert found[1].q_value > 0.05


def test_no_segments() -> None:
    assert worst_segments([]) == ()
    assert worst_segments([segment("key", "a", 1, 1)]) == ()
