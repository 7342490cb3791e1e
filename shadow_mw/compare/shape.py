"""Shape: what kind of prediction an answer holds, read off its form rather than off its values."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any, Literal, TypeAlias

from shadow_mw.compare.label_reader import VECTOR_KEYS, is_distribution, label_key, ranking, score_beside
from shadow_mw.compare.paths import is_number
from shadow_mw.compare.similar_text import TEXT_FIELDS
from shadow_mw.compare.text import MAX_LABEL_CHARS

Shape: TypeAlias = Literal["label", "vector", "text", "numbers"]

#: A list of more numbers that are no probabilities is an embedding.
_MOST_NUMBERS = 16
#: Class numbers: -1 is an outlier's, 999 the last of ImageNet's.
_CLASS_NUMBERS = range(-1, 1000)
_LONGEST_WORDS = 40
_TEXT_FIELDS = frozenset(TEXT_FIELDS) - {"message", "content", "prediction", "predictions"}
_EMBEDDINGS = ("embedding", "embeddings")
_MAX_DEPTH = 8


def shape_of(value: Any, depth: int = 0) -> Shape | None:
    """The shape of one prediction, or None where its form does not tell."""
    if isinstance(value, bool):
        return "label"
    if isinstance(value, int):
        return "label" if value in _CLASS_NUMBERS else "numbers"
    if isinstance(value, float):
        return "numbers"
    if isinstance(value, str):
        return _string_shape(value)
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, list):
        return _list_shape(value, depth)
    return _object_shape(value, depth) if isinstance(value, dict) else None


def joined(shapes: Iterable[Shape | None]) -> Shape | None:
    """The shape that covers all, in whatever order they come.

    Among labels, one vector, text or number shows that they were none: a score vector may add up to 1 once,
    a text be one word long. Two of these kinds have only numbers and equality in common.
    """
    return reduce(_join, shapes, None)


def _join(left: Shape | None, right: Shape | None) -> Shape | None:
    if left is None or left == right:
        return right
    if right is None:
        return left
    special = {left, right} - {"label"}
    return special.pop() if len(special) == 1 else "numbers"


def _string_shape(text: str) -> Shape | None:
    if len(text) > _LONGEST_WORDS and " " in text.strip():
        return "text"
    return "label" if len(text) <= MAX_LABEL_CHARS else None


def _list_shape(items: list[Any], depth: int) -> Shape | None:
    if len(items) == 1:
        return shape_of(items[0], depth + 1)
    if items and all(map(is_number, items)):
        if is_distribution(items):
            return "label"
        return "vector" if len(items) > _MOST_NUMBERS else "numbers"
    return "label" if items and ranking(items) else None


def _object_shape(value: dict[str, Any], depth: int) -> Shape | None:
    if any(isinstance(value.get(key), list) for key in _EMBEDDINGS):
        return "vector"
    key = label_key(value)
    if key is not None:
        shape = shape_of(value[key], depth + 1)
        is_scored = score_beside(value) is not None or isinstance(value[key], bool | str)
        return "label" if shape == "numbers" and is_scored and type(value[key]) is int else shape
    if any(key in value for key in _TEXT_FIELDS):
        return "text"
    key = next((key for key in VECTOR_KEYS if isinstance(value.get(key), list | dict)), None)
    if key is not None:
        return "label" if key == "logits" else shape_of(value[key], depth + 1)
    numbers = list(value.values())
    if len(numbers) == 1 and isinstance(numbers[0], str | bool):
        return shape_of(numbers[0], depth + 1)
    return "label" if all(map(is_number, numbers)) and is_distribution(numbers) else None
