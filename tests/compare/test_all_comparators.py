"""What holds for every comparator, on any JSON, batched or not."""

from __future__ import annotations

import copy
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from json_trees import trees

from shadow_mw.choices import COMPARATORS
from shadow_mw.compare.choice import make_comparator
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement

WORDS = (
    "label class prediction predictions outputs results probabilities scores labels score name id data shape "
    "embedding text choices instances inputs dataframe_split"
)
words = st.sampled_from(WORDS.split())
odd = st.sampled_from([math.nan, math.inf, -math.inf, 10**400, -(10**400), 1e308, 5e-324, -0.0, "\ud800"])
leaves = (
    odd | st.integers(-3, 12) | st.floats(0, 1) | st.booleans() | st.none() | st.sampled_from(["cat", "a b"])
)
#: Trees in the words that comparators look for.
likely: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(words, inner, max_size=4),
    max_leaves=16,
)
anything = trees | likely | st.binary(max_size=3)
SYMMETRIC = ["exact", "label", "top_k", "proba", "vector", "text"]


def compare(name: str, pair: Pair) -> Judgement:
    return make_comparator(name).compare(pair)


def assert_recordable(judgement: Judgement) -> None:
    assert msgspec.json.decode(msgspec.json.encode(judgement), type=Judgement) == judgement
    assert judgement.delta is None or judgement.delta >= 0
    assert len(judgement.diff_paths) <= 20
    assert all(path.startswith("$") and len(path) <= 256 for path in judgement.diff_paths)
    assert all(len(label or "") <= 120 for label in (judgement.production_label, judgement.shadow_label))
    assert judgement.verdict in ("agree", "disagree", "incomparable")
    assert bool(judgement.reason) is (judgement.verdict == "incomparable")
    assert len(judgement.reason) < 400
    if judgement.items_agree is not None and judgement.verdict != "incomparable":
        assert 0 <= judgement.items_agree <= judgement.items
        assert judgement.verdict == "disagree" or judgement.items_agree == judgement.items


@pytest.mark.parametrize("name", COMPARATORS)
@given(production=anything, shadow=anything, features=likely)
@example(production=[[]], shadow=[[], 1], features=[[1]])
@example(production=[10**400, 1], shadow=[-(10**400), 1], features=None)
@settings(deadline=None, max_examples=40)
def test_any_two_predictions_have_a_judgement_that_a_record_can_keep(
    name: str, production: Any, shadow: Any, features: Any
) -> None:
    assert_recordable(compare(name, Pair(production, shadow, features)))


@pytest.mark.parametrize("name", COMPARATORS)
@given(prediction=anything, features=likely)
@settings(deadline=None, max_examples=40)
def test_a_prediction_agrees_with_itself_or_cannot_be_read(name: str, prediction: Any, features: Any) -> None:
    judgement = compare(name, Pair(prediction, copy.deepcopy(prediction), features))
    assert judgement.verdict == ("incomparable" if judgement.reason else "agree")
    assert judgement.diff_paths == ()
    assert judgement.reason or judgement.items_agree in (None, judgement.items)


@pytest.mark.parametrize("name", SYMMETRIC)
@given(production=likely, shadow=likely)
@settings(deadline=None, max_examples=40)
def test_the_verdict_is_the_same_both_ways(name: str, production: Any, shadow: Any) -> None:
    there = compare(name, Pair(production, shadow, [[1]] * 2))
    back = compare(name, Pair(shadow, production, [[1]] * 2))
    assert (there.verdict, there.delta, there.items) == (back.verdict, back.delta, back.items)


@pytest.mark.parametrize("name", COMPARATORS)
def test_nesting_far_beyond_the_stack_does_no_harm(name: str) -> None:
    value: Any = {"label": "cat"}
    for level in range(20_000):
        value = {"prediction": value} if level % 2 else [value]
    for pair in (Pair(value, value), Pair({"predictions": [value]}, {"predictions": [value, value]})):
        assert_recordable(compare(name, pair))
