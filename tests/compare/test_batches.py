"""Batches: which answers are several predictions, and how these are judged."""

from __future__ import annotations

from typing import Any

import pytest

from shadow_mw.compare.choice import make_comparator
from shadow_mw.compare.rows import rows_in
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement


def judge(name: str, production: Any, shadow: Any, features: Any = None) -> Judgement:
    return make_comparator(name).compare(Pair(production, shadow, features))


def kserve(data: list[Any], shape: list[int], **beside: Any) -> dict[str, Any]:
    tensor = {"name": "output-0", "datatype": "FP32", "shape": shape, "data": data}
    return {"model_name": "m", "id": "0f3c", **beside, "outputs": [tensor]}


@pytest.mark.parametrize(
    ("features", "count"),
    [
        ([[5.1, 3.5], [4.9, 3.0]], 2),
        ([{"a": 1}, {"a": 2}, {"a": 3}], 3),
        (["a text", "another"], 2),
        ([5.1, 3.5, 1.4], None),
        ({"instances": [1.0, 2.0, 5.0]}, 3),
        ({"signature_name": "serving_default", "instances": [{"x": 1}]}, 1),
        ({"inputs": [[1.0], [2.0]]}, 2),
        ({"inputs": {"x": [1, 2, 3], "y": [1, 2, 3]}}, 3),
        ({"inputs": "a text"}, 1),
        ({"inputs": [{"name": "in", "shape": [4, 2], "datatype": "FP32", "data": [0] * 8}]}, 4),
        ({"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}, 2),
        ({"dataframe_records": [{"a": 1}, {"a": 2}]}, 2),
        ({"rooms": 3, "city": "Delft"}, 1),
        ({"texts": ["a", "b"]}, 2),
        ({"pixels": [0.0, 1.0, 0.0]}, None),
        ({"age": 3, "tags": ["a", "b"]}, None),
        ("text", None),
        (None, None),
    ],
)
def test_rows_of_the_features(features: Any, count: int | None) -> None:
    assert rows_in(features) == count


@pytest.mark.parametrize(
    ("features", "production", "items"),
    [
        ([[1], [2], [3]], [1.5, 2.5, 3.5], 3),
        ([[1], [2], [3]], ["a", "b", "c"], 3),
        ({"instances": [1, 2, 3]}, {"predictions": [1.5, 2.5, 3.5]}, 3),
        ({"dataframe_records": [{}, {}]}, {"predictions": [0, 1]}, 2),
        ({"inputs": [[1], [2]]}, {"outputs": [[0.1, 0.9], [0.8, 0.2]]}, 2),
        ({"inputs": [[1], [2]]}, {"outputs": {"scores": [[0.1, 0.9], [0.8, 0.2]]}}, 2),
        ({"inputs": [{"shape": [2, 3], "data": [0] * 6}]}, kserve([0.1, 0.9, 0.8, 0.2], [2, 2]), 2),
        (None, {"predictions": [{"label": "a"}, {"label": "b"}]}, 2),
        (None, [{"label": "a"}, {"label": "b"}], 2),
        (None, [[0.1, 0.9], [0.8, 0.2]], 2),
        ([["x"]], [[0.1, 0.9]], 1),
        ({"rooms": 3}, [0.1, 0.2, 0.7], 1),
        ({"rooms": 3}, {"predictions": [0.1, 0.2, 0.7]}, 1),
        ([5.1, 3.5], [0.1, 0.9], 1),
        (None, [0.1, 0.9], 1),
        (None, [{"label": "a", "score": 0.9}, {"label": "b", "score": 0.1}], 1),
        ({"image": "aGk="}, [[0, 1], [1, 0]], 1),
        (None, {"label": "a"}, 1),
    ],
)
@pytest.mark.parametrize("name", ["auto", "close", "exact"])
def test_when_an_answer_is_a_batch(name: str, features: Any, production: Any, items: int) -> None:
    judgement = judge(name, production, production, features)
    assert (judgement.verdict, judgement.items) == ("agree", items)
    assert judgement.items_agree in ((None, 1) if items == 1 else (items,))


@pytest.mark.parametrize(
    ("name", "production", "shadow", "path"),
    [
        ("close", {"predictions": [1.5, 2.5]}, {"predictions": [1.5, 2.75]}, "$.predictions[1]"),
        ("exact", [{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3}], "$[1].a"),
        ("label", {"predictions": ["a", "b"]}, {"predictions": ["a", "c"]}, "$.predictions[1]"),
        ("label", [[0.1, 0.9], [0.9, 0.1]], [[0.2, 0.8], [0.3, 0.7]], "$[1]"),
        (
            "proba",
            {"outputs": [[0.1, 0.9], [0.9, 0.1]]},
            {"outputs": [[0.1, 0.9], [0.6, 0.4]]},
            "$.outputs[1]",
        ),
        ("top_k(1)", [["a", "b"], ["c", "d"]], [["a", "x"], ["d", "c"]], "$[1]"),
        ("vector", [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], "$[1][0]"),
        ("text", [{"generated_text": "ab"}, {"generated_text": "cd"}], [["ab"], ["xy"]], "$[1]"),
        ("auto", kserve([1.5, 2.5], [2, 1]), kserve([1.5, 2.75], [2, 1], id="9"), "$.outputs[0].data[1]"),
        (
            "label",
            kserve([0.1, 0.9, 0.8, 0.2], [2, 2]),
            kserve([0.3, 0.7, 0.1, 0.9], [2, 2]),
            "$.outputs[0].data[2]",
        ),
    ],
)
def test_one_of_two_rows_differs(name: str, production: Any, shadow: Any, path: str) -> None:
    judgement = judge(name, production, shadow, {"instances": [{}, {}]})
    assert (judgement.verdict, judgement.items, judgement.items_agree) == ("disagree", 2, 1)
    assert judgement.diff_paths == (path,)


@pytest.mark.parametrize("name", ["auto", "close", "label", "text", "exact"])
@pytest.mark.parametrize(("production", "shadow"), [("abc", "ab"), ("ab", "abc")])
def test_a_row_more_or_less_disagrees(name: str, production: str, shadow: str) -> None:
    judgement = judge(name, list(production), list(shadow), [[0]] * len(production))
    assert (judgement.verdict, judgement.items, judgement.items_agree) == ("disagree", 3, 2)
    assert judgement.diff_paths == ("$[2]",)


def test_one_unreadable_row_makes_the_batch_incomparable() -> None:
    judgement = judge("label", ["a", "b"], ["a", None], [{}, {}])
    assert judgement.verdict == "incomparable"
    assert judgement.reason.startswith("row 1: the shadow's prediction is null")


def test_the_delta_of_a_batch_is_its_largest() -> None:
    assert judge("proba", [[0.5, 0.5]] * 2, [[0.5, 0.5], [0.1, 0.9]]).delta == pytest.approx(0.4)


def test_a_batch_of_one_keeps_label_and_score() -> None:
    judgement = judge("label", {"predictions": [[0.1, 0.9]]}, {"predictions": [[0.7, 0.3]]}, [[1, 2]])
    assert (judgement.production_label, judgement.production_score, judgement.items) == ("1", 0.9, 1)
    assert judgement.diff_paths == ("$.predictions[0]",)


def test_exact_and_close_look_beside_the_rows_and_auto_does_not() -> None:
    production = {"predictions": [1.5, 2.5], "model_version": "7"}
    shadow = {"predictions": [1.5, 2.5], "model_version": "8"}
    for name in ("exact", "close"):
        judgement = judge(name, production, shadow)
        assert (judgement.verdict, judgement.diff_paths) == ("disagree", ("$.model_version",))
        assert (judgement.items, judgement.items_agree) == (2, 2)
    assert judge("auto", production, shadow).verdict == "agree"


def test_many_differing_rows_are_all_counted_and_few_told() -> None:
    production, shadow = [[index] for index in range(1000)], [[index + index % 2] for index in range(1000)]
    judgement = judge("close", production, shadow)
    assert (judgement.items, judgement.items_agree, len(judgement.diff_paths)) == (1000, 500, 20)


@pytest.mark.parametrize(
    ("prediction", "label", "score"),
    [
        (7.5, None, 7.5),
        ({"price": 7.5, "currency": "EUR"}, None, 7.5),
        ([7.5], None, 7.5),
        ({"predictions": [7]}, None, 7.0),
        ({"low": 1.0, "high": 2.0}, None, None),
        ({"rows": [1], "price": 2.0}, None, None),
        ({"species": "setosa"}, "setosa", None),
        (True, "true", None),
        ("x" * 200, None, None),
        (float("inf"), None, None),
        (10**400, None, None),
    ],
)
@pytest.mark.parametrize("name", ["close", "exact"])
def test_the_only_value_of_a_prediction_is_kept(
    name: str, prediction: Any, label: str | None, score: float | None
) -> None:
    judgement = judge(name, prediction, 0.25)
    assert (judgement.production_label, judgement.production_score) == (label, score)
    assert (judgement.shadow_label, judgement.shadow_score) == (None, 0.25)
