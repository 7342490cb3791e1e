"""The comparator `vector`: embeddings agree when they point in the same direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul, sub
from typing import Any

from shadow_mw.compare.label_reader import UnreadableError, reading
from shadow_mw.compare.paths import is_number
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement

#: What sums of floats may be off.
ROUNDING_ERROR = 1e-12
DEFAULT_SIMILARITY = 0.99
#: Where APIs put an embedding: OpenAI, Cohere, Ollama, Vertex, Hugging Face.
VECTOR_FIELDS = ("embedding", "embeddings", "vector", "values", "data", "prediction", "predictions")
_MAX_DEPTH = 8


@dataclass(frozen=True)
class Vector:
    """The cosine of the angle between two vectors of numbers, at least some limit.

    Cosine similarity as in Salton & McGill, Introduction to Modern Information Retrieval, 1983, section 4.1;
    it does not depend on length, so the lengths (L2 norms) are told as scores. Two zero vectors are the same.
    """

    name: str = "vector"
    min_similarity: float = DEFAULT_SIMILARITY

    def compare(self, pair: Pair) -> Judgement:
        """The judgement; its delta is one minus the cosine, its path the largest absolute difference."""
        try:
            production = reading("production's", read_vector, pair.production)
            shadow = reading("the shadow's", read_vector, pair.shadow)
        except UnreadableError as error:
            return Judgement(verdict="incomparable", reason=str(error))
        lengths = _length(production), _length(shadow)
        facts = {"production_score": lengths[0], "shadow_score": lengths[1]}
        if len(production) != len(shadow):
            path = f"$[{min(len(production), len(shadow))}]"
            return Judgement(verdict="disagree", diff_paths=(path,), **facts)  # type: ignore[arg-type]  # both are floats
        distance = 1 - _cosine(production, shadow)
        agrees = distance <= 1 - self.min_similarity + ROUNDING_ERROR
        return Judgement(
            verdict="agree" if agrees else "disagree",
            delta=distance,
            diff_paths=() if agrees else (f"$[{_furthest(production, shadow)}]",),
            production_score=lengths[0],
            shadow_score=lengths[1],
        )


def read_vector(prediction: Any) -> list[float]:
    """The numbers of a vector: a list of them, alone in a list, or in an object's `embedding` or the like.

    Raises:
        UnreadableError: there is no vector of finite numbers; the message completes "the prediction …".

    """
    value = prediction
    for _ in range(_MAX_DEPTH):
        if isinstance(value, dict):
            value = next((value[key] for key in VECTOR_FIELDS if key in value), None)
        elif isinstance(value, list) and len(value) == 1 and not is_number(value[0]):
            value = value[0]
    if not (isinstance(value, list) and value and all(map(is_number, value))):
        raise UnreadableError("is no vector of numbers")
    try:
        numbers = list(map(float, value))
    except OverflowError:
        raise UnreadableError("holds a number that is too large for a float") from None
    if not all(map(math.isfinite, numbers)):
        raise UnreadableError("holds a number that is not finite")
    return numbers


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    if left == right:
        return 1.0
    left, right = _scaled(left), _scaled(right)
    lengths = math.hypot(*left) * math.hypot(*right)
    return max(-1.0, min(1.0, math.fsum(map(mul, left, right)) / lengths)) if lengths else 0.0


def _scaled(vector: Sequence[float]) -> Sequence[float]:
    """The vector with 1 for its largest part, so that no square over- or underflows."""
    largest = max(map(abs, vector))
    return [part / largest for part in vector] if largest else vector


def _furthest(left: Sequence[float], right: Sequence[float]) -> int:
    gaps = list(map(abs, map(sub, left, right)))
    return max(range(len(gaps)), key=gaps.__getitem__)


def _length(vector: Sequence[float]) -> float | None:
    length = math.hypot(*vector)
    return length if math.isfinite(length) else None
