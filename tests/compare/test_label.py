from __future__ import annotations

import math
from typing import Any

import pytest

from shadow_mw.compare.label import TopLabel
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement


def judge(production: Any, shadow: Any) -> Judgement:
    return TopLabel().compare(Pair(production, shadow))


@pytest.mark.parametrize(
    ("prediction", "label", "score"),
    [
        ("cat", "cat", None),
        (7, "7", None),
        (7.0, "7", None),
        (True, "true", None),
        ([7], "7", None),
        (["cat"], "cat", None),
        ([0.1, 0.7, 0.2], "1", 0.7),
        ([0.5, 0.5], "0", 0.5),
        ([[0.1, 0.9]], "1", 0.9),
        ({"cat": 0.2, "dog": 0.8}, "dog", 0.8),
        ([{"label": "a", "score": 0.3}, {"label": "b", "score": 0.6}], "b", 0.6),
        ([{"class": 3, "probability": 0.9}, {"class": 4, "probability": 0.1}], "3", 0.9),
        ([{"name": "x", "confidence": 0.4}, {"name": "y", "confidence": 0.6}], "y", 0.6),
        ({"label": "cat"}, "cat", None),
        ({"label": "cat", "score": 0.8, "latency_ms": 12.5}, "cat", 0.8),
        ({"predicted_class": 2, "probabilities": [0.1, 0.2, 0.7]}, "2", 0.7),
        ({"prediction": [2], "probabilities": [[0.1, 0.2, 0.7]]}, "2", 0.7),
        ({"class": "a", "probabilities": {"a": 0.9, "b": 0.1}}, "a", 0.9),
        ({"predictions": [[0.2, 0.8]]}, "1", 0.8),
        ({"prediction": {"label": "x", "confidence": 0.5}}, "x", 0.5),
        ({"probabilities": [0.3, 0.7]}, "1", 0.7),
        ({"labels": ["a", "b"], "scores": [0.1, 0.9]}, "b", 0.9),
        ({"species": "setosa"}, "setosa", None),
        ({"fraud": False}, "false", None),
        ([1.0, 0.0], "0", 1.0),
        ([0, 1, 0], "1", 1.0),
    ],
)
def test_a_single_prediction(prediction: Any, label: str, score: float | None) -> None:
    judgement = judge(prediction, prediction)
    assert (judgement.verdict, judgement.reason) == ("agree", "")
    assert (judgement.production_label, judgement.production_score) == (label, score)
    assert (judgement.shadow_label, judgement.shadow_score) == (label, score)


@pytest.mark.parametrize(
    ("production", "shadow", "verdict"),
    [
        ([0.1, 0.9], [0.4, 0.6], "agree"),
        ([0.1, 0.9], [0.6, 0.4], "disagree"),
        ([0, 1], [0.3, 0.7], "agree"),
        ([0, 1], [0.7, 0.3], "disagree"),
        ("cat", {"label": "cat", "score": 0.9}, "agree"),
        (7, "7", "agree"),
        (1, True, "disagree"),
        ([7], [3], "disagree"),
        ([3, 1, 7], [3, 1, 7], "agree"),
        ([3, 1, 7], [3, 0, 7], "disagree"),
        ([0, 1, 0, 0], [0, 1, 1, 0], "disagree"),
        ({"prediction": [7]}, {"prediction": [8]}, "disagree"),
        (["a", "b"], ["a", "b", "c"], "disagree"),
    ],
)
def test_verdicts(production: Any, shadow: Any, verdict: str) -> None:
    assert judge(production, shadow).verdict == verdict


def test_delta_is_the_difference_of_the_scores() -> None:
    judgement = judge({"label": "a", "score": 0.75}, {"label": "b", "score": 0.5})
    assert (judgement.verdict, judgement.delta, judgement.diff_paths) == ("disagree", 0.25, ("$",))
    assert judge({"label": "a", "score": 0.75}, {"label": "a"}).delta is None
    assert judge({"label": "a", "score": math.inf}, {"label": "a", "score": 1}).delta is None


@pytest.mark.parametrize(
    ("production", "shadow"),
    [
        (["a", "b", "c"], ["a", "x", "c"]),
        ([[0.1, 0.9], [0.9, 0.1]], [[0.2, 0.8], [0.3, 0.7]]),
        ([{"label": "a", "score": 0.9}, {"label": "b"}], [{"label": "a", "score": 0.9}, {"label": "c"}]),
        ([1, 2], [1, 3]),
    ],
)
def test_all_rows_of_a_batch_must_agree(production: Any, shadow: Any) -> None:
    judgement = judge(production, shadow)
    assert (judgement.verdict, judgement.diff_paths) == ("disagree", ("$[1]",))
    assert (judgement.items, judgement.items_agree) == (len(production), len(production) - 1)
    assert judgement.production_label is judgement.shadow_label is judgement.production_score is None
    same = judge(production, production)
    assert (same.verdict, same.items, same.items_agree) == ("agree", len(production), len(production))


def test_a_missing_row_disagrees() -> None:
    assert judge(["a", "b"], ["a"]).diff_paths == ("$[1]",)


def test_a_long_batch_is_bounded_in_the_record() -> None:
    judgement = judge(["label"] * 500, ["other"] * 500)
    assert (judgement.production_label, len(judgement.diff_paths)) == (None, 20)


def test_a_long_or_odd_label_is_made_fit_for_the_record() -> None:
    judgement = judge("x" * 500, "\ud800")
    assert judgement.production_label == "x" * 119 + "…"
    assert judgement.shadow_label == "\\ud800"


@pytest.mark.parametrize("prediction", [0.73, [0.73], [[0.2], [0.7]], math.nan, {"prediction": 12.5}])
def test_a_regression_is_sent_to_close(prediction: Any) -> None:
    judgement = judge(prediction, prediction)
    assert judgement.verdict == "incomparable"
    assert "close" in judgement.reason


@pytest.mark.parametrize(
    "prediction",
    [
        None,
        b"\x89PNG",
        [],
        {},
        {"price": 12.5},
        {"score": 0.3, "threshold": 0.5},
        {"status": "ok", "rows": 3},
        [0.1, math.nan],
        [{"name": "output0", "shape": [1, 3], "data": [0.1, 0.2, 0.7]}],
    ],
)
def test_what_has_no_label_is_incomparable(prediction: Any) -> None:
    judgement = judge("cat", prediction)
    assert judgement.verdict == "incomparable"
    assert judgement.reason.startswith("the shadow's prediction ")
    assert judge(prediction, "cat").reason.startswith("production's prediction ")


def test_nesting_has_an_end() -> None:
    value: Any = "cat"
    for _ in range(10_000):
        value = [value]
    assert "too deep" in judge(value, value).reason
