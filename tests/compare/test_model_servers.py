"""`auto` on what model servers and common apps answer: with a shadow that differs once."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shadow_mw.compare.batched import MAX_ROWS
from shadow_mw.compare.choice import make_comparator
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement


def judge(production: Any, shadow: Any, features: Any = None) -> tuple[str, Judgement]:
    auto = make_comparator("auto")
    judgement = auto.compare(Pair(production, shadow, features))
    return auto.name, judgement


def tensor(data: list[Any], shape: list[int], name: str = "predict") -> dict[str, Any]:
    return {"name": name, "datatype": "FP64", "shape": shape, "data": data}


def infer(*tensors: dict[str, Any]) -> dict[str, Any]:
    """A response of the Open Inference Protocol; its id never repeats."""
    return {"model_name": "m", "id": str(random.random()), "outputs": list(tensors)}


def chat(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"id": str(random.random()), "created": 1, "choices": [{"index": 0, "message": message}]}


def embedded(*vectors: list[float]) -> dict[str, Any]:
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    return {"object": "list", "data": data, "usage": {"total_tokens": random.randrange(99)}}


IRIS = {"sepal": 5.1, "petal": 1.4}
TWO_ROWS = {"inputs": [tensor([0.0] * 8, [2, 4], "x")]}
EAST, NORTH = [3.0, *[0.0] * 31], [0.0, 3.0, *[0.0] * 30]


@pytest.mark.parametrize(
    ("production", "shadow", "features", "name", "labels", "items", "path"),
    [
        ({"prediction": [2]}, {"prediction": [1]}, IRIS, "label", ("2", "1"), 1, "$"),
        (
            {"class": "a", "probability": 0.9},
            {"class": "b", "probability": 0.8},
            IRIS,
            "label",
            ("a", "b"),
            1,
            "$",
        ),
        ({"prediction": [0.1, 0.9]}, {"prediction": [0.6, 0.4]}, IRIS, "label", ("1", "0"), 1, "$"),
        (
            {"score": 0.9, "fraud": True},
            {"score": 0.9, "fraud": False},
            IRIS,
            "close",
            ("true", "false"),
            1,
            "$.fraud",
        ),
        (
            {"predictions": [{"0": 0.1, "1": 0.9}, {"0": 0.8, "1": 0.2}]},
            {"predictions": [{"0": 0.1, "1": 0.9}, {"0": 0.3, "1": 0.7}]},
            {"dataframe_records": [{}, {}]},
            "label",
            (None, None),
            2,
            "$.predictions[1]",
        ),
        (
            {"predictions": [1.5, 2.5]},
            {"predictions": [1.5, 2.6]},
            {"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}},
            "close",
            (None, None),
            2,
            "$.predictions[1]",
        ),
        (
            {"predictions": [{"classes": ["a", "b"], "scores": [0.9, 0.1]}], "deployedModelId": "1"},
            {"predictions": [{"classes": ["a", "b"], "scores": [0.2, 0.8]}], "deployedModelId": "2"},
            {"instances": [{}]},
            "label",
            ("a", "b"),
            1,
            "$.predictions[0]",
        ),
        (
            {"predictions": [{"score": 0.9, "predicted_label": 1}]},
            {"predictions": [{"score": 0.4, "predicted_label": 0}]},
            {"instances": [{"features": [1]}]},
            "label",
            ("1", "0"),
            1,
            "$.predictions[0]",
        ),
        (
            infer(tensor(["a", "b"], [2, 1])),
            infer(tensor(["a", "c"], [2, 1])),
            TWO_ROWS,
            "label",
            (None, None),
            2,
            "$.outputs[0].data[1]",
        ),
        (
            infer(tensor([1, 0], [2]), tensor([0.1, 0.9, 0.8, 0.2], [2, 2], "predict_proba")),
            infer(tensor([1, 1], [2]), tensor([0.1, 0.9, 0.3, 0.7], [2, 2], "predict_proba")),
            TWO_ROWS,
            "label",
            (None, None),
            2,
            "$.outputs[0].data[1]",
        ),
        (
            infer(tensor([1.5, 2.5], [2]), tensor([0.5, 0.5], [2], "spread")),
            infer(tensor([1.5, 2.5], [2]), tensor([0.5, 0.7], [2], "spread")),
            TWO_ROWS,
            "close",
            (None, None),
            2,
            "$.outputs[1].data[1]",
        ),
        (
            [[{"label": "POS", "score": 0.9}, {"label": "NEG", "score": 0.1}]],
            [[{"label": "NEG", "score": 0.6}, {"label": "POS", "score": 0.4}]],
            {"inputs": "a good film"},
            "label",
            ("POS", "NEG"),
            1,
            "$[0]",
        ),
        (
            [{"label": "POS", "score": 0.9}, {"label": "NEG", "score": 0.7}],
            [{"label": "NEG", "score": 0.6}, {"label": "NEG", "score": 0.6}],
            {"inputs": ["a good film", "a bad one"]},
            "label",
            (None, None),
            2,
            "$[0]",
        ),
        (chat("Paris is the capital."), chat("It is Lyon."), {"model": "m"}, "text", (None, None), 1, "$"),
        (embedded(EAST), embedded(NORTH), {"input": "a text"}, "vector", (None, None), 1, "$.data[0][0]"),
        (
            embedded(EAST, EAST),
            embedded(EAST, NORTH),
            {"input": ["a", "b"]},
            "vector",
            (None, None),
            2,
            "$.data[1][0]",
        ),
        (
            {"embeddings": [EAST]},
            {"embeddings": [NORTH]},
            {"input": "a"},
            "vector",
            (None, None),
            1,
            "$.embeddings[0][0]",
        ),
        ([0, 1, 2], [0, 1, 1], [[1, 2], [3, 4], [5, 6]], "label", (None, None), 3, "$[2]"),
    ],
)
def test_a_difference_is_found_where_it_is(
    production: Any, shadow: Any, features: Any, name: str, labels: Any, items: int, path: str
) -> None:
    picked, judgement = judge(production, shadow, features)
    assert (picked, judgement.verdict) == (f"auto:{name}", "disagree")
    assert (judgement.production_label, judgement.shadow_label) == labels
    assert judgement.items == items
    assert judgement.diff_paths[0] == path
    assert judge(production, production, features)[1].verdict == "agree"


def test_a_very_large_batch_is_judged_by_its_first_rows() -> None:
    rows = [{"label": "a"}] * (MAX_ROWS + 5)
    _, judgement = judge(rows, rows)
    assert (judgement.verdict, judgement.items) == ("agree", MAX_ROWS)
    _, judgement = judge(rows, rows[:-1])
    assert (judgement.verdict, judgement.items, judgement.items_agree) == ("disagree", MAX_ROWS + 1, MAX_ROWS)
