"""The comparator `proba`: predictions agree when their class probabilities are near each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shadow_mw.compare.label_reader import UnreadableError, reading
from shadow_mw.compare.scores import read_distribution, top
from shadow_mw.compare.text import MAX_LABEL_CHARS, fitted
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement

DEFAULT_DISTANCE = 0.05
#: What sums of floats may be off.
ROUNDING_ERROR = 1e-12


@dataclass(frozen=True)
class Probabilities:
    """Total variation distance between two distributions over classes, within a limit.

    Half the sum of the absolute differences: the most by which the two differ on the probability of any set
    of classes, from 0 to 1 (Levin & Peres, Markov Chains and Mixing Times, 2nd ed., proposition 4.2).
    """

    name: str = "proba"
    max_distance: float = DEFAULT_DISTANCE

    def compare(self, pair: Pair) -> Judgement:
        """The judgement; its delta is the distance. Labels and scores are those of the top classes."""
        try:
            production = reading("production's", read_distribution, pair.production)
            shadow = reading("the shadow's", read_distribution, pair.shadow)
        except UnreadableError as error:
            return Judgement(verdict="incomparable", reason=str(error))
        classes = production.keys() | shadow.keys()
        gaps = (abs(production.get(label, 0.0) - shadow.get(label, 0.0)) for label in classes)
        distance = math.fsum(gaps) / 2
        left, right = top(production), top(shadow)
        agrees = distance <= self.max_distance + ROUNDING_ERROR
        return Judgement(
            verdict="agree" if agrees else "disagree",
            delta=distance,
            diff_paths=() if agrees else ("$",),
            production_label=fitted(left, MAX_LABEL_CHARS),
            shadow_label=fitted(right, MAX_LABEL_CHARS),
            production_score=production[left],
            shadow_score=shadow[right],
        )
