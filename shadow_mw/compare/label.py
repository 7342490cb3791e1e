"""The comparator `label`: predictions agree when their top labels are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from shadow_mw.compare.label_reader import Label, UnreadableError, read_labels
from shadow_mw.compare.paths import MAX_PATHS
from shadow_mw.compare.text import MAX_LABEL_CHARS, fitted
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement


@dataclass(frozen=True)
class TopLabel:
    """The top label of each prediction, as text, or the labels of all rows of a batch.

    Reads a label as string, number or boolean; scores as a list (arg-max, the first of equals) or as an
    object of scores by label; objects with a `label`, `class`, `prediction` or the like; rankings; and lists
    of these.
    """

    @property
    def name(self) -> str:
        """`label`."""
        return "label"

    def compare(self, pair: Pair) -> Judgement:
        """The judgement; its delta is the difference of the scores, in a batch the largest one."""
        try:
            production, shadow = read_labels(pair.production, pair.shadow)
        except UnreadableError as error:
            return Judgement(verdict="incomparable", reason=str(error))
        paths = _differing(production, shadow)
        return Judgement(
            verdict="disagree" if paths else "agree",
            delta=_delta(production, shadow),
            diff_paths=paths,
            production_label=_text(production),
            shadow_label=_text(shadow),
            production_score=_score(production),
            shadow_score=_score(shadow),
            items=max(len(production), len(shadow)),
            items_agree=_agreeing(production, shadow),
        )


def _differing(production: Sequence[Label], shadow: Sequence[Label]) -> tuple[str, ...]:
    """`$`, or in a batch the row of each label that differs."""
    pairs = enumerate(zip_longest(production, shadow))
    rows = (row for row, (left, right) in pairs if not (left and right and left.text == right.text))
    is_batch = len(production) > 1 or len(shadow) > 1
    return tuple(f"$[{row}]" if is_batch else "$" for row in islice(rows, MAX_PATHS))


def _agreeing(production: Sequence[Label], shadow: Sequence[Label]) -> int:
    return sum(left.text == right.text for left, right in zip(production, shadow, strict=False))


def _delta(production: Sequence[Label], shadow: Sequence[Label]) -> float | None:
    gaps = [
        abs(left.score - right.score)
        for left, right in zip(production, shadow, strict=False)
        if left.score is not None and right.score is not None
    ]
    return max(gaps, default=None)


def _score(labels: Sequence[Label]) -> float | None:
    return labels[0].score if len(labels) == 1 else None


def _text(labels: Sequence[Label]) -> str | None:
    """The label, cut and encodable as UTF-8; those of a batch are no class that a table could hold."""
    return fitted(labels[0].text, MAX_LABEL_CHARS) if len(labels) == 1 else None
