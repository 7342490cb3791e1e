"""`auto`: what it picks, and that it stays with it."""

from __future__ import annotations

import random
import sys
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow_mw.compare.choice import Comparators, make_comparator
from shadow_mw.compare.shape import joined, shape_of
from shadow_mw.exceptions import SettingsError
from shadow_mw.protocols import Comparator, Pair

EMBEDDING = [round(random.Random(7).gauss(0, 1), 6) for _ in range(384)]
ANSWER = "The capital of France is Paris, on the Seine, and has been since 987."


def picked(*predictions: Any, features: Any = None) -> str:
    auto = make_comparator("auto")
    for prediction in predictions:
        auto.compare(Pair(prediction, prediction, features))
    return auto.name


@pytest.mark.parametrize(
    ("name", "predictions"),
    [
        ("label", ["cat"]),
        ("label", [True]),
        ("label", [7]),
        ("label", [[7]]),
        ("label", [{"label": "cat", "score": 0.9}]),
        ("label", [{"prediction": 1, "probability": 0.83}]),
        ("label", [{"species": "setosa"}]),
        ("label", [{"digit": 7, "probabilities": [0.1, 0.9]}]),
        ("label", [[0.1, 0.2, 0.7]]),
        ("label", [[[0.1, 0.9]]]),
        ("label", [{"cat": 0.2, "dog": 0.8}]),
        ("label", [[1 / 1000] * 1000]),
        ("label", [[{"label": "a", "score": 0.7}, {"label": "b", "score": 0.3}]]),
        ("label", [{"outputs": [{"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [0.1, 0.9]}]}]),
        ("close", [12.5]),
        ("close", [7.0]),
        ("close", [{"price": 12.5}]),
        ("close", [{"prediction": 12.5}]),
        ("close", [{"predictions": [12.5]}]),
        ("close", [25_000]),
        ("close", [[2.3, -1.2, 0.1]]),
        ("close", [{"boxes": [[1, 2, 3, 4]], "scores": [0.9]}]),
        ("close", [None]),
        ("close", [{}]),
        ("vector", [EMBEDDING]),
        ("vector", [{"embedding": EMBEDDING}]),
        ("vector", [{"predictions": [EMBEDDING, EMBEDDING]}]),
        ("text", [ANSWER]),
        ("text", [{"generated_text": "Yes."}]),
        ("text", [{"choices": [{"message": {"role": "assistant", "content": "Yes."}}]}]),
        ("exact", [b"\x89PNG"]),
    ],
)
def test_the_pick(name: str, predictions: list[Any]) -> None:
    assert picked(*predictions) == f"auto:{name}"


@pytest.mark.parametrize(
    ("name", "predictions", "features"),
    [
        ("label", {"predictions": [0, 1, 1]}, {"instances": [[1], [2], [3]]}),
        ("close", {"predictions": [0.2, 0.8]}, {"instances": [[1], [2]]}),
        ("label", {"predictions": [0.2, 0.8]}, {"age": 44}),
        ("label", [[0.2, 0.8], [0.1, 0.9]], [[1], [2]]),
        ("close", [[2.5, 7.5], [2.5, 7.5]], [[1], [2]]),
    ],
)
def test_the_rows_of_a_batch_are_what_counts(name: str, predictions: Any, features: Any) -> None:
    assert picked(predictions, features=features) == f"auto:{name}"


@pytest.mark.parametrize(
    ("first", "then", "name"),
    [
        ([0.5, 0.5], [0.9, 0.8], "close"),
        (7, 7.5, "close"),
        ("Yes.", ANSWER, "text"),
        ([1 / 20] * 20, [0.5] * 20, "vector"),
        (EMBEDDING, [1 / 384] * 384, "vector"),
        (ANSWER, "Yes.", "text"),
        ("cat", None, "label"),
        ("cat", {"error": {"code": 1}}, "label"),
        ([0.1, 0.9], b"", "label"),
        (12.5, 7, "close"),
    ],
)
def test_a_pick_is_left_only_where_it_was_wrong(first: Any, then: Any, name: str) -> None:
    assert picked(first, then) == picked(then, first) == picked(first, then, first, first) == f"auto:{name}"


predictions = st.sampled_from(
    ["cat", ANSWER, 7, 7.5, EMBEDDING, [0.5, 0.5], [0.4, 0.8], None, {}, {"price": 3.5}, [[0.1, 0.9]], True]
)


@given(seen=st.lists(predictions, max_size=8), seed=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_exchanges_does_not_matter_and_nothing_flips_back(
    seen: list[Any], seed: random.Random
) -> None:
    names: list[str] = []
    auto = make_comparator("auto")
    for prediction in seen:
        auto.compare(Pair(prediction, prediction))
        names.append(auto.name)
    moves = [name for name, _ in groupby(names)]
    assert len(moves) <= 4
    assert len(set(moves[1:])) == len(moves[1:])
    shuffled = seen.copy()
    seed.shuffle(shuffled)
    assert joined(map(shape_of, shuffled)) == joined(map(shape_of, seen))


def test_the_shadow_has_no_say() -> None:
    auto = make_comparator("auto")
    judgement = auto.compare(Pair("cat", {"detail": {"error": 3.5}}))
    assert (auto.name, judgement.verdict) == ("auto:label", "incomparable")
    assert auto.compare(Pair([0.1, 0.9], {"label": "1"})).verdict == "agree"


def test_before_the_first_prediction_there_is_no_name() -> None:
    assert make_comparator("auto").name == ""


def test_long_texts_are_compared_exactly_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    assert picked(ANSWER) == "auto:exact"


def comparators(compare: str) -> Comparators:
    return Comparators(compare, rtol=0.1, atol=0, ignore=["id"])


def test_each_route_has_its_own_comparator() -> None:
    made = comparators("POST /predict=label, POST /embed/{model}=vector(0.99)\n*=close")
    names = [made.of(route).name for route in ("POST /predict", "POST /embed/{model}", "POST /other")]
    assert names == ["label", "vector(0.99)", "close"]
    assert made.of("POST /other").compare(Pair(10.0, 10.5)).verdict == "agree"


def test_each_route_has_a_pick_of_its_own() -> None:
    made = comparators("POST /text=exact")

    def judged(route: str, prediction: Any) -> Comparator:
        made.of(route).compare(Pair(prediction, prediction, route=route))
        return made.of(route)

    assert judged("POST /a", "cat").name == "auto:label"
    assert judged("POST /b", 12.5).name == "auto:close"
    assert made.of("POST /a").name == "auto:label"
    assert judged("POST /text", ANSWER).name == "exact"
    assert made.of("POST /b").compare(Pair({"id": 1, "y": 10.0}, {"id": 2, "y": 10.5})).verdict == "agree"


@pytest.mark.parametrize(
    ("compare", "hint"),
    [
        ("predict=label", "'predict' is not a route: write METHOD /path"),
        ("POST /predict=nearly", "'nearly' is not a comparator: use auto, exact"),
        ("label, close", "second comparator for every route"),
        ("POST /a=label, POST /a=close", "second comparator for POST /a"),
        ("POST /a=vector(7)", "vector takes a number from 0 to 1"),
    ],
)
def test_a_wrong_choice_is_a_sentence(compare: str, hint: str) -> None:
    with pytest.raises(SettingsError, match="SHADOW_COMPARE") as caught:
        comparators(compare)
    assert hint in str(caught.value)
