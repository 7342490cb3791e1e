"""The comparator `exact`: predictions agree when they are equal."""

from __future__ import annotations

from dataclasses import dataclass, field

from shadow_mw.compare.facts import Differences, values_of
from shadow_mw.compare.ignored import IgnoredPaths
from shadow_mw.compare.paths import is_same, leaf_pairs
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement


@dataclass(frozen=True)
class Exact:
    """Equality by the rules of JSON (1 is 1.0, True is not 1, NaN is NaN), of bytes for other bodies."""

    ignored: IgnoredPaths = field(default_factory=IgnoredPaths)

    @property
    def name(self) -> str:
        """`exact`."""
        return "exact"

    def compare(self, pair: Pair) -> Judgement:
        """Agree when nothing differs outside the ignored paths. Never raises."""
        differences = Differences(pair)
        for path, production, shadow in leaf_pairs(pair.production, pair.shadow, self.ignored):
            if not is_same(production, shadow):
                differences.add(path)
            if differences.is_full:
                break
        return Judgement(
            verdict="disagree" if differences.paths else "agree",
            diff_paths=differences.paths,
            items=differences.items,
            items_agree=differences.items_agree,
            **values_of(pair),
        )
