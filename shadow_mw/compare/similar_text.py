"""The comparator `text`: texts agree when few characters would have to change."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from shadow_mw.compare.label_reader import UnreadableError, reading
from shadow_mw.exceptions import MissingExtraError
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement

#: What sums of floats may be off.
ROUNDING_ERROR = 1e-12
DEFAULT_RATIO = 0.9
#: Where APIs put a text: OpenAI, Anthropic, Hugging Face, Cohere, Ollama.
TEXT_FIELDS = (
    "choices",
    "message",
    "content",
    "text",
    "output_text",
    "generated_text",
    "summary_text",
    "translation_text",
    "completion",
    "response",
    "answer",
    "prediction",
    "predictions",
)
#: The time for two texts grows with the product of their lengths; what stands behind this is not looked at.
MAX_CHARS = 20_000
_MAX_DEPTH = 8


def has_rapidfuzz() -> bool:
    """True when the extra `text` is installed."""
    return find_spec("rapidfuzz") is not None


@dataclass(frozen=True)
class SimilarText:
    """The normalised Indel similarity of two texts, at least some limit.

    1 - d / (m + n), where d is the least number of characters to insert and delete (rapidfuzz's `ratio`;
    Hyyrö, Bit-Parallel LCS-length Computation Revisited, 2004). Of longer texts the first 20,000 characters
    count.
    """

    name: str = "text"
    min_ratio: float = DEFAULT_RATIO

    def __post_init__(self) -> None:
        """Look for rapidfuzz.

        Raises:
            MissingExtraError: it is not installed.

        """
        if not has_rapidfuzz():
            raise MissingExtraError("SHADOW_COMPARE=text", "text")

    def compare(self, pair: Pair) -> Judgement:
        """The judgement; its delta is one minus the similarity."""
        from rapidfuzz.distance import Indel

        try:
            production = reading("production's", read_text, pair.production)
            shadow = reading("the shadow's", read_text, pair.shadow)
        except UnreadableError as error:
            return Judgement(verdict="incomparable", reason=str(error))
        distance = float(Indel.normalized_distance(production[:MAX_CHARS], shadow[:MAX_CHARS]))
        agrees = distance <= 1 - self.min_ratio + ROUNDING_ERROR
        return Judgement(
            verdict="agree" if agrees else "disagree", delta=distance, diff_paths=() if agrees else ("$",)
        )


def read_text(prediction: Any) -> str:
    """The text of a prediction: a string, or what stands where APIs put it; the first of several choices.

    Raises:
        UnreadableError: there is no text; the message completes "the prediction …".

    """
    value = prediction
    for _ in range(_MAX_DEPTH):
        if isinstance(value, dict):
            value = next((value[key] for key in TEXT_FIELDS if key in value), None)
        elif isinstance(value, list) and value and (len(value) == 1 or isinstance(value[0], dict)):
            value = value[0]
    if not isinstance(value, str):
        raise UnreadableError("has no text: name the part that holds it in SHADOW_PREDICTION")
    return value
