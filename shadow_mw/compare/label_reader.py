"""The label reader: finds the top labels in a prediction, in the forms that model servers use."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from shadow_mw.compare.paths import is_number

T = TypeVar("T")

LABEL_KEYS = (
    "label",
    "class",
    "predicted_class",
    "predicted_label",
    "class_name",
    "class_id",
    "category",
    "prediction",
    "predictions",
)
SCORE_KEYS = ("score", "probability", "confidence", "prob", "probabilities", "scores")
VECTOR_KEYS = ("probabilities", "scores", "logits")
_MAX_DEPTH = 16
#: How far over 1 the probabilities of a ranking may add up, for rounding.
_SLACK = 1e-3
#: How far from 1 probabilities may add up that were rounded to two digits.
ROUNDING = 0.02


class UnreadableError(Exception):
    """A prediction has no label that could be read; the message completes "the prediction …"."""


class Label(NamedTuple):
    """One predicted label, with its score where it is known."""

    text: str
    score: float | None = None


class Numbers(NamedTuple):
    """A list of numbers: the scores of classes 0, 1, 2, … or the labels of several rows."""

    values: Sequence[int | float]

    @property
    def has_fractions(self) -> bool:
        """True when these cannot be class numbers."""
        return any(not _is_integral(value) for value in self.values)


Item: TypeAlias = Label | Numbers


def read_labels(production: Any, shadow: Any) -> tuple[list[Label], list[Label]]:
    """The top labels of both predictions; one each, or one a row where the predictions are batches.

    A list of numbers holds class scores if a number in either prediction's lists has a fraction, else it
    or all of them are probabilities, as `[1.0, 0.0]` is; else it holds the class numbers of a batch: the
    arg-max of `[7]` would be 0 whatever the model says.

    Raises:
        UnreadableError: a prediction has no label.

    """
    left = reading("production's", _items, production)
    right = reading("the shadow's", _items, shadow)
    lists = [item for item in left + right if isinstance(item, Numbers)]
    are_scores = any(item.has_fractions for item in lists) or all(is_distribution(i.values) for i in lists)
    resolved = _by_scores if are_scores else _by_numbers
    return reading("production's", resolved, left), reading("the shadow's", resolved, right)


def reading(side: str, read: Callable[[Any], T], prediction: Any) -> T:
    """What `read` makes of a prediction; the message of its `UnreadableError` says whose it is."""
    try:
        return read(prediction)
    except UnreadableError as error:
        raise UnreadableError(f"{side} prediction {error}") from None


def _items(prediction: Any, depth: int = 0) -> list[Item]:
    if depth > _MAX_DEPTH:
        raise UnreadableError("is nested too deep for a label")
    if isinstance(prediction, dict):
        return _object_items(prediction, depth)
    if isinstance(prediction, list):
        return _list_items(prediction, depth)
    return [Label(scalar_text(prediction))]


def scalar_text(value: Any) -> str:
    """A label as text: a string, `true` and `false`, a whole number.

    Raises:
        UnreadableError: it is none of these.

    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if not is_number(value):
        raise UnreadableError("is null or not JSON, so it has no label")
    if not _is_integral(value):
        raise UnreadableError("is a number with a fraction and not a label: compare it with close")
    return str(int(value))


def _list_items(items: list[Any], depth: int) -> list[Item]:
    if not items:
        raise UnreadableError("is an empty list, so it has no label")
    if all(map(is_number, items)):
        return [Label(scalar_text(items[0])) if len(items) == 1 else Numbers(items)]
    scores = ranking(items)
    if scores:
        return [_top(scores)]
    return [found for item in items for found in _items(item, depth + 1)]


def is_distribution(values: Iterable[int | float]) -> bool:
    """True for at least two probabilities that add up to 1, but for rounding."""
    numbers = list(values)
    if len(numbers) < 2 or not all(0 <= number <= 1 for number in numbers):
        return False
    return abs(sum(numbers) - 1) <= ROUNDING


def ranking(items: Sequence[Any]) -> dict[str, float]:
    """Score by label when the items are the classes of one prediction, not rows of a batch; else empty.

    Classes of one prediction all differ and their probabilities add up to 1 at most.
    """
    scores: dict[str, float] = {}
    for item in items:
        key = label_key(item) if isinstance(item, dict) else None
        score = score_beside(item) if key else None
        if key is None or not isinstance(score, int | float) or not isinstance(item[key], str | int):
            return {}
        scores[scalar_text(item[key])] = score
    is_one = len(scores) == len(items) and sum(scores.values()) <= 1 + _SLACK
    return scores if is_one else {}


def _object_items(prediction: dict[str, Any], depth: int) -> list[Item]:
    key = label_key(prediction)
    if key is not None:
        return _scored(_items(prediction[key], depth + 1), score_beside(prediction))
    vector = next((key for key in VECTOR_KEYS if key in prediction), None)
    if vector is not None:
        return _vector_items(prediction.get("labels", prediction.get("classes")), prediction[vector], depth)
    is_score_table = len(prediction) > 1 and all(map(is_number, prediction.values()))
    if is_score_table and not any(key in prediction for key in SCORE_KEYS):
        return [_top(prediction)]
    only = next(iter(prediction.values())) if len(prediction) == 1 else None
    if isinstance(only, str | bool):
        return [Label(scalar_text(only))]
    raise UnreadableError("is an object without a label: name the part that holds it in SHADOW_PREDICTION")


def _vector_items(labels: Any, scores: Any, depth: int) -> list[Item]:
    are_parallel = isinstance(labels, list) and isinstance(scores, list) and 0 < len(labels) == len(scores)
    if are_parallel and all(map(is_number, scores)):
        return [_top({scalar_text(label): score for label, score in zip(labels, scores, strict=True)})]
    return _items(scores, depth + 1)


def label_key(item: dict[str, Any]) -> str | None:
    """The key under which an object has its label, or None."""
    key = next((key for key in LABEL_KEYS if key in item), None)
    # `name` alone is the name of an output tensor in the KServe protocol, the same for every request.
    return "name" if key is None and "name" in item and score_beside(item) is not None else key


def score_beside(item: dict[str, Any]) -> Any:
    """The score in the object of a label, or None."""
    return next((item[key] for key in SCORE_KEYS if key in item), None)


def _scored(items: list[Item], beside: Any) -> list[Item]:
    """The items with the scores that stand beside them, one for each row."""
    rows = beside if isinstance(beside, list) and len(beside) == len(items) else [beside]
    if len(rows) != len(items):
        return items
    return [
        Label(item.text, _score_of(item.text, row))
        if isinstance(item, Label) and item.score is None
        else item
        for item, row in zip(items, rows, strict=True)
    ]


def _score_of(label: str, scores: Any) -> float | None:
    if isinstance(scores, dict):
        return _finite(scores.get(label))
    if isinstance(scores, list):
        return _finite(max(scores)) if scores and all(map(is_number, scores)) else None
    return _finite(scores)


def _by_scores(items: Iterable[Item]) -> list[Label]:
    return [item if isinstance(item, Label) else _top(dict(_indexed(item))) for item in items]


def _by_numbers(items: Iterable[Item]) -> list[Label]:
    return [
        label
        for item in items
        for label in ((item,) if isinstance(item, Label) else map(_number_label, item.values))
    ]


def _indexed(numbers: Numbers) -> Iterator[tuple[str, int | float]]:
    return ((str(index), value) for index, value in enumerate(numbers.values))


def _number_label(value: float) -> Label:
    return Label(scalar_text(value))


def _top(scores: dict[str, int | float]) -> Label:
    """The label with the highest score, the first of equals."""
    if any(score != score for score in scores.values()):
        raise UnreadableError("holds a score that is NaN")
    label = max(scores, key=scores.__getitem__)
    return Label(label, _finite(scores[label]))


def _finite(score: Any) -> float | None:
    try:
        return float(score) if is_number(score) and math.isfinite(score) else None
    except OverflowError:
        return None


def _is_integral(value: float) -> bool:
    return isinstance(value, int) or value.is_integer()
