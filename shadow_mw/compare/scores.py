"""Scores: the score of each class or item in a prediction, in the forms that model servers use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from shadow_mw.compare.label_reader import (
    ROUNDING,
    SCORE_KEYS,
    VECTOR_KEYS,
    UnreadableError,
    label_key,
    scalar_text,
    score_beside,
)
from shadow_mw.compare.paths import is_number

_MAX_DEPTH = 16


def read_scores(prediction: Any, depth: int = 0) -> dict[str, float]:
    """The score by label, highest first as far as the prediction tells; a list has its indices for labels.

    Reads lists of scores, objects of scores by label, rankings (`[{"label": …, "score": …}, …]`),
    `probabilities` or `scores` beside a label, and `labels` beside `scores`.

    Raises:
        UnreadableError: there are no scores; the message completes "the prediction …".

    """
    if depth > _MAX_DEPTH:
        raise UnreadableError("is nested too deep for scores")
    if isinstance(prediction, list):
        return _list_scores(prediction, depth)
    if isinstance(prediction, dict):
        return _object_scores(prediction, depth)
    raise UnreadableError("has no scores of classes")


def read_distribution(prediction: Any) -> dict[str, float]:
    """The probability by label; of a bare number or `{"probability": 0.7}` those of `1` and `0`.

    Probabilities that add up to 1 but for rounding are scaled to 1. A ranking may leave classes out.

    Raises:
        UnreadableError: there are no probabilities, or they don't add up to 1.

    """
    chance = _chance(prediction)
    scores = read_scores(prediction) if chance is None else {"1": chance, "0": 1 - chance}
    if not all(0 <= score <= 1 + ROUNDING for score in scores.values()):
        raise UnreadableError("holds scores that are no probabilities: compare it with label or close")
    total = math.fsum(scores.values())
    if abs(total - 1) > ROUNDING:
        raise UnreadableError(f"holds probabilities that add up to {total:.3g} and not to 1")
    return {label: score / total for label, score in scores.items()}


def _chance(prediction: Any) -> float | None:
    """The one probability of a binary classifier, or None."""
    value = prediction
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict) and label_key(value) is None:
        value = next((value[key] for key in SCORE_KEYS if key in value), None)
    return float(value) if is_number(value) and 0 <= value <= 1 else None


def _list_scores(items: list[Any], depth: int) -> dict[str, float]:
    if len(items) == 1 and isinstance(items[0], list | dict):
        return read_scores(items[0], depth + 1)
    if items and all(map(is_number, items)):
        return _finite(range(len(items)), items)
    keys = [label_key(item) if isinstance(item, dict) else None for item in items]
    if not items or None in keys:
        raise UnreadableError("has no scores of classes")
    labels = [item[key] for item, key in zip(items, keys, strict=True)]
    return _finite(labels, [score_beside(item) for item in items])


def _object_scores(prediction: dict[str, Any], depth: int) -> dict[str, float]:
    key = next((key for key in VECTOR_KEYS if isinstance(prediction.get(key), list | dict)), None)
    if key is not None:
        labels, scores = prediction.get("labels", prediction.get("classes")), prediction[key]
        if isinstance(labels, list) and isinstance(scores, list) and len(labels) == len(scores):
            return _finite(labels, scores)
        return read_scores(scores, depth + 1)
    if len(prediction) > 1 and all(map(is_number, prediction.values())):
        return _finite(list(prediction), list(prediction.values()))
    inner = next((prediction[key] for key in ("prediction", "predictions") if key in prediction), None)
    if isinstance(inner, list | dict):
        return read_scores(inner, depth + 1)
    raise UnreadableError("is an object without scores: name the part that holds them in SHADOW_PREDICTION")


def _finite(labels: Sequence[Any], scores: Sequence[Any]) -> dict[str, float]:
    table: dict[str, float] = {}
    for label, score in zip(labels, scores, strict=True):
        try:
            number = float(score) if is_number(score) else math.nan
        except OverflowError:
            number = math.nan
        if not math.isfinite(number):
            raise UnreadableError("holds a score that is no finite number")
        table[scalar_text(label)] = number
    return table


def top(scores: Mapping[str, float]) -> str:
    """The label with the highest score, the first of equals."""
    return max(scores, key=scores.__getitem__)
