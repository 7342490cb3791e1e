"""`top_k`, `proba`, `vector` and `text` on what models and model servers answer."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from shadow_mw.compare.choice import make_comparator
from shadow_mw.exceptions import MissingExtraError, SettingsError
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement


def judge(name: str, production: Any, shadow: Any, features: Any = None) -> Judgement:
    return make_comparator(name).compare(Pair(production, shadow, features))


@pytest.mark.parametrize(
    ("production", "shadow", "verdict", "delta"),
    [
        ([0.5, 0.3, 0.1, 0.1], [0.3, 0.5, 0.1, 0.1], "agree", 0.0),
        ([0.5, 0.3, 0.2, 0.0], [0.5, 0.1, 0.0, 0.4], "disagree", 0.5),
        ({"a": 0.5, "b": 0.3, "c": 0.2}, {"b": 9.0, "a": 8.0, "c": 1.0}, "agree", 0.0),
        (["a", "b", "c"], ["b", "a", "x"], "agree", 0.0),
        (["a", "b", "c"], ["c", "a", "b"], "disagree", 0.5),
        ([101, 7, 3], [7, 101, 9], "agree", 0.0),
        ([101, 7, 3], [3, 9, 7], "disagree", 1.0),
        ([{"id": 1}, {"id": 2}], [{"id": 2}, {"id": 1}], "agree", 0.0),
        ([{"label": "a", "score": 1.0}, {"label": "b", "score": 4.5}], {"a": 2.0, "b": 1.0}, "agree", 0.0),
        (["a", "b"], ["a"], "disagree", 0.5),
    ],
)
def test_the_two_highest(production: Any, shadow: Any, verdict: str, delta: float) -> None:
    judgement = judge("top_k(2)", production, shadow)
    assert (judgement.verdict, judgement.delta) == (verdict, delta)


def test_five_are_compared_when_no_number_is_given() -> None:
    ids = [f"item-{index}" for index in range(20)]
    assert judge("top_k", ids, [*ids[4::-1], *ids[5:]]).verdict == "agree"
    judgement = judge("top_k", ids, ["other", *ids])
    assert (judgement.verdict, judgement.delta) == ("disagree", pytest.approx(0.2))
    assert (judgement.production_label, judgement.shadow_label) == ("item-0", "other")


@pytest.mark.parametrize(
    ("production", "shadow", "distance"),
    [
        ([0.2, 0.8], [0.25, 0.75], 0.05),
        ([0.0, 1.0], [1.0, 0.0], 1.0),
        ({"cat": 0.7, "dog": 0.3}, {"dog": 0.5, "cat": 0.5}, 0.2),
        ({"cat": 1.0, "dog": 0.0}, {"cat": 0.6, "cow": 0.4}, 0.4),
        ({"label": 1, "probabilities": [0.2, 0.8]}, [0.3, 0.7], 0.1),
        ({"probability": 0.9}, {"probability": 0.6}, 0.3),
        (0.9, 0.6, 0.3),
        ([0.3333, 0.3333, 0.3333], [0.3333, 0.3333, 0.3333], 0.0),
        ([[0.1, 0.9]], [[0.2, 0.8]], 0.1),
        ({"labels": ["a", "b"], "scores": [0.1, 0.9]}, {"labels": ["b", "a"], "scores": [0.9, 0.1]}, 0.0),
    ],
)
def test_the_distance_of_two_distributions(production: Any, shadow: Any, distance: float) -> None:
    judgement = judge("proba(0.1)", production, shadow)
    assert judgement.delta == pytest.approx(distance)
    assert judgement.verdict == ("agree" if distance <= 0.1 else "disagree")


def test_the_top_class_and_its_probability_are_kept() -> None:
    judgement = judge("proba", {"cat": 0.7, "dog": 0.3}, {"cat": 0.4, "dog": 0.6})
    assert (judgement.production_label, judgement.production_score) == ("cat", 0.7)
    assert (judgement.shadow_label, judgement.shadow_score) == ("dog", 0.6)
    assert (judgement.verdict, judgement.delta) == ("disagree", pytest.approx(0.3))


probabilities = st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(
    lambda weights: [weight / math.fsum(weights) for weight in weights]
)


@given(a=probabilities, b=probabilities, c=probabilities)
@settings(deadline=None)
def test_the_distance_is_a_metric(a: list[float], b: list[float], c: list[float]) -> None:
    def distance(left: list[float], right: list[float]) -> float:
        delta = judge("proba", left, right).delta
        assert delta is not None
        return delta

    assert distance(a, b) == pytest.approx(0.5 * np.abs(np.subtract(a, b)).sum(), abs=1e-12)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12


@pytest.mark.parametrize("prediction", [[0.5, 0.9], [2.0, -1.0], "cat", {"price": 3.5}, [], None, [[], []]])
def test_what_is_no_distribution_is_incomparable(prediction: Any) -> None:
    judgement = judge("proba", [0.5, 0.5], prediction)
    assert judgement.verdict == "incomparable"
    assert judgement.reason.startswith("the shadow's prediction ")


numbers = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3)


@given(production=numbers, shadow=numbers)
@settings(deadline=None)
def test_the_cosine_is_scipys(production: list[float], shadow: list[float]) -> None:
    delta = judge("vector", production, shadow).delta
    if min(np.linalg.norm(production), np.linalg.norm(shadow)) > 1e-6:
        assert delta == pytest.approx(cosine(production, shadow), abs=1e-9)


@pytest.mark.parametrize(
    ("production", "shadow", "verdict", "delta"),
    [
        ([1.0, 0.0], [5.0, 0.0], "agree", 0.0),
        ([1.0, 0.0], [0.0, 1.0], "disagree", 1.0),
        ([1.0, 0.0], [-1.0, 0.0], "disagree", 2.0),
        ([0.0, 0.0], [0.0, 0.0], "agree", 0.0),
        ([0.0, 0.0], [1.0, 0.0], "disagree", 1.0),
        ([1e300, 1e300], [1e-300, 1e-300], "agree", 0.0),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "disagree", None),
        ({"embedding": [3.0, 4.0]}, {"embedding": [3.0, 4.0]}, "agree", 0.0),
        ({"data": [{"embedding": [3.0, 4.0], "index": 0}]}, [[3.0, 4.0]], "agree", 0.0),
        ({"embeddings": [[3.0, 4.0]]}, {"embeddings": [[4.0, 3.0]]}, "disagree", 0.04),
    ],
)
def test_directions(production: Any, shadow: Any, verdict: str, delta: float | None) -> None:
    judgement = judge("vector(0.99)", production, shadow)
    assert judgement.verdict == verdict
    assert judgement.delta == (delta if delta is None else pytest.approx(delta, abs=1e-12))


def test_lengths_and_the_largest_difference_are_told() -> None:
    judgement = judge("vector", {"predictions": [[3.0, 4.0]]}, {"predictions": [[6.0, -8.0]]})
    assert (judgement.production_score, judgement.shadow_score) == (5.0, 10.0)
    assert judgement.diff_paths == ("$.predictions[0][1]",)


@pytest.mark.parametrize("prediction", ["cat", {}, [1.0, None], [math.nan, 1.0], [10**400], []])
def test_what_is_no_vector_is_incomparable(prediction: Any) -> None:
    assert judge("vector", [1.0, 2.0], prediction).verdict == "incomparable"


@pytest.mark.parametrize(
    ("production", "shadow", "verdict", "delta"),
    [
        ("the cat sat on the mat", "the cat sat on the mat.", "agree", 1 / 45),
        ("abcd", "abxy", "disagree", 0.5),
        ("", "", "agree", 0.0),
        ([{"generated_text": "yes"}], [{"generated_text": "yes"}], "agree", 0.0),
        (
            {
                "id": "chatcmpl-1",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "abcd"}}],
            },
            {
                "id": "chatcmpl-2",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "abxy"}}],
            },
            "disagree",
            0.5,
        ),
        ({"content": [{"type": "text", "text": "hello"}]}, {"response": "hello"}, "agree", 0.0),
    ],
)
def test_texts(production: Any, shadow: Any, verdict: str, delta: float) -> None:
    judgement = judge("text(0.9)", production, shadow)
    assert (judgement.verdict, judgement.delta) == (verdict, pytest.approx(delta))


def test_a_book_takes_no_longer_than_a_chapter() -> None:
    judgement = judge("text", "a b" * 200_000, "a b" * 100_000)
    assert judgement.delta == 0.0


def test_text_without_its_extra_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shadow-mw\[text\]'"):
        make_comparator("text(0.8)")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("top_k(0)", "a whole number from 1"),
        ("top_k(2.5)", "a whole number from 1"),
        ("proba(2)", "a number from 0 to 1"),
        ("vector(nan)", "a number from 0 to 1"),
        ("text(x)", "a number from 0 to 1"),
        ("label(3)", "label takes no number"),
        ("vector(", "use auto, exact"),
        ("toplabel", "use auto, exact"),
    ],
)
def test_a_wrong_parameter_is_a_sentence(name: str, hint: str) -> None:
    with pytest.raises(SettingsError, match="SHADOW_COMPARE") as caught:
        make_comparator(name)
    assert hint in str(caught.value)


def test_the_parameter_stands_in_the_name() -> None:
    names = ["top_k(3)", "top_k", "proba(0.01)", "vector(0.9999999)", "text(1)"]
    assert [make_comparator(name).name for name in names] == names
