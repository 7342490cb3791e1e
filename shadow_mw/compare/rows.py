"""Rows: the part of an answer that holds predictions, and whether these are the rows of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shadow_mw.compare.label_reader import ranking
from shadow_mw.compare.paths import Part, is_number
from shadow_mw.protocols import Pair

#: Where model servers put predictions: MLflow, TensorFlow Serving, KServe.
_ENVELOPES = ("predictions", "outputs", "results")
_EMBEDDINGS = ("data", "embeddings")
_ENVELOPE_KEYS = frozenset((*_ENVELOPES, *_EMBEDDINGS))
#: Where their protocols have one item a row, whatever the items are.
_ROW_FIELDS = ("instances", "inputs", "dataframe_records")
_CONTAINERS = (dict, list)


class Found(NamedTuple):
    """The part of an answer that holds what was predicted, and the way to it."""

    way: tuple[Part, ...]
    value: Any
    width: int = 1
    """How many items of a flat tensor make a row."""

    @property
    def rows(self) -> list[Any]:
        """The value by rows."""
        if self.width == 1:
            return list(self.value)
        return [self.value[at : at + self.width] for at in range(0, len(self.value), self.width)]


class Batch(NamedTuple):
    """Both sides of a batched exchange."""

    production: Found
    shadow: Found

    def row_of(self, parts: Sequence[Part]) -> int | None:
        """The row that a path from the root leads into, or None where it leads beside the rows."""
        depth = len(self.production.way)
        if len(parts) <= depth or tuple(parts[:depth]) != self.production.way:
            return None
        index = parts[depth]
        return index // self.production.width if isinstance(index, int) else None


def found_in(prediction: Any) -> Found:
    """What was predicted, without the envelope that a model server puts around it.

    `predictions` of MLflow and TensorFlow Serving; `outputs` of TensorFlow Serving (one named tensor) and of
    the Open Inference Protocol of KServe, Triton and MLServer (the first tensor, with shape and flat data);
    the embeddings of OpenAI (`data`), Ollama and Cohere (`embeddings`).
    """
    if not isinstance(prediction, dict) or _ENVELOPE_KEYS.isdisjoint(prediction):
        return Found((), prediction)
    key = next((key for key in _ENVELOPES if isinstance(prediction.get(key), _CONTAINERS)), None)
    if key is None:
        key = next((key for key in _EMBEDDINGS if _are_embeddings(prediction.get(key))), None)
        return Found((), prediction) if key is None else Found((key,), prediction[key])
    inner = prediction[key]
    tensor = inner[0] if isinstance(inner, list) and inner else None
    if isinstance(tensor, dict) and isinstance(tensor.get("data"), list) and "shape" in tensor:
        return Found((key, 0, "data"), tensor["data"], _width(tensor["data"], tensor["shape"]))
    if isinstance(inner, dict) and len(inner) == 1:
        name = next(iter(inner))
        return Found((key, name), inner[name])
    return Found((key,), inner)


def batch_of(pair: Pair, *, are_objects_rows: bool = True) -> Batch | None:
    """Both sides by rows, where the exchange is a batch.

    It is one when there are as many items as the features have rows; where the features do not tell, when
    production's items stand in a model server's envelope, or are objects or lists that are not the classes
    of one prediction (with `are_objects_rows` False objects always are). One side may have another number of
    rows.
    """
    production, shadow = found_in(pair.production), found_in(pair.shadow)
    if not (isinstance(production.value, list) and isinstance(shadow.value, list)):
        return None
    is_batch = _is_batch(production, shadow, rows_in(pair.features), are_objects_rows)
    return Batch(production, shadow) if is_batch else None


def rows_in(features: Any) -> int | None:
    """How many rows the features have, or None where their form does not tell."""
    if isinstance(features, list):
        return len(features) if _are_rows(features) else None
    if not isinstance(features, dict):
        return None
    split = features.get("dataframe_split")
    if isinstance(split, dict) and isinstance(split.get("data"), list):
        return len(split["data"])
    key = next((key for key in _ROW_FIELDS if key in features), None)
    if key is not None:
        return _declared(features[key])
    if not any(isinstance(value, _CONTAINERS) for value in features.values()):
        return 1
    only = next(iter(features.values())) if len(features) == 1 else None
    return len(only) if isinstance(only, list) and _are_rows(only) else None


def _is_batch(production: Found, shadow: Found, expected: int | None, are_objects_rows: bool) -> bool:
    counts = len(production.rows), len(shadow.rows)
    if expected is not None:
        # A single row says less of the shadow: one number beside production's many is no batch of one.
        return counts[0] == expected or (counts[1] == expected and (expected > 1 or bool(production.way)))
    if production.way or not production.value:
        return bool(production.value)
    kinds = _CONTAINERS if are_objects_rows else (list,)
    return all(isinstance(item, kinds) for item in production.value) and not _is_ranking(production)


def _is_ranking(found: Found) -> bool:
    return len(found.value) > 1 and bool(ranking(found.value))


def _are_embeddings(value: Any) -> bool:
    """A list of vectors, bare or each in the `embedding` of an object."""
    if not (isinstance(value, list) and value):
        return False
    first = value[0].get("embedding") if isinstance(value[0], dict) else value[0]
    return isinstance(first, list) and bool(first) and is_number(first[0])


def _declared(value: Any) -> int | None:
    """The rows of a field whose protocol has one item a row, or one list or tensor a column."""
    if isinstance(value, dict):
        value = next(iter(value.values()), None)
        return len(value) if isinstance(value, list) else None
    if not isinstance(value, list):
        return 1
    shape = value[0].get("shape") if value and isinstance(value[0], dict) and "data" in value[0] else None
    if isinstance(shape, list) and shape and isinstance(shape[0], int):
        return shape[0]
    return len(value)


def _are_rows(items: list[Any]) -> bool:
    """True for items that can be rows of features; numbers may as well be the features of one row."""
    return bool(items) and all(isinstance(item, dict | list | str) for item in items)


def _width(data: Sequence[Any], shape: Any) -> int:
    if not (isinstance(shape, list) and shape and all(type(side) is int and side > 0 for side in shape)):
        return 1
    is_flat = len(data) == math.prod(shape) and not any(isinstance(item, _CONTAINERS) for item in data[:1])
    return len(data) // shape[0] if is_flat else 1


def only_number(value: Any) -> float | None:
    """The one finite number of a prediction that has no other: bare, in a list of one, in an object."""
    for _ in range(3):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, Mapping):
            numbers = [item for item in value.values() if is_number(item)]
            if len(numbers) != 1 or any(isinstance(item, _CONTAINERS) for item in value.values()):
                return None
            value = numbers[0]
    try:
        return float(value) if is_number(value) and math.isfinite(value) else None
    except OverflowError:
        return None


def only_label(value: Any) -> str | None:
    """The string or boolean that is the whole prediction or its only field, or the only boolean in it."""
    if isinstance(value, list | dict) and len(value) == 1:
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    if isinstance(value, dict):
        flags = [item for item in value.values() if isinstance(item, bool)]
        value = flags[0] if len(flags) == 1 else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None
