"""The comparator `top_k`: predictions agree when their k highest labels are the same."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

from shadow_mw.compare.label_reader import UnreadableError, reading, scalar_text
from shadow_mw.compare.scores import read_scores
from shadow_mw.compare.text import MAX_LABEL_CHARS, fitted
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement

DEFAULT_K = 5
_ITEM_KEYS = ("id", "item_id", "item", "label", "name", "document_id", "index")


@dataclass(frozen=True)
class TopK:
    """The same set of the k highest labels, in any order: for rankings, recommendations and classifiers.

    The delta is one minus the overlap, the share of the k that both have (Fagin, Kumar & Sivakumar, Comparing
    Top k Lists, SIAM J. Discrete Math. 17, 2003, section 3).
    """

    name: str = "top_k"
    k: int = DEFAULT_K

    def compare(self, pair: Pair) -> Judgement:
        """The judgement; labels are the highest ones."""
        try:
            production = reading("production's", self._highest, pair.production)
            shadow = reading("the shadow's", self._highest, pair.shadow)
        except UnreadableError as error:
            return Judgement(verdict="incomparable", reason=str(error))
        shared = len(set(production) & set(shadow))
        agrees = shared == max(len(production), len(shadow))
        return Judgement(
            verdict="agree" if agrees else "disagree",
            delta=1 - shared / max(len(production), len(shadow)),
            diff_paths=() if agrees else ("$",),
            production_label=fitted(production[0], MAX_LABEL_CHARS),
            shadow_label=fitted(shadow[0], MAX_LABEL_CHARS),
        )

    def _highest(self, prediction: Any) -> list[str]:
        ordered = _ordered(prediction)
        if ordered:
            return ordered[: self.k]
        scores = read_scores(prediction)
        return heapq.nlargest(self.k, scores, key=scores.__getitem__)


def _ordered(prediction: Any) -> list[str]:
    """The labels of a list that is in order already: strings, or objects with an id and no score."""
    if not isinstance(prediction, list):
        return []
    if len(prediction) > 1 and all(type(item) is int for item in prediction):
        # Ids in order; a number that comes twice is a score.
        return list(map(str, prediction)) if len(set(prediction)) == len(prediction) else []
    labels = [_item_label(item) for item in prediction]
    return [] if None in labels else list(dict.fromkeys(label for label in labels if label is not None))


def _item_label(item: Any) -> str | None:
    if isinstance(item, dict) and not any("score" in key or "prob" in key for key in item):
        item = next((item[key] for key in _ITEM_KEYS if isinstance(item.get(key), str | int)), None)
        return None if item is None else scalar_text(item)
    return item if isinstance(item, str) else None
