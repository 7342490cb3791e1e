"""The comparator `exact`: predictions agree when they are equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from shadow_mw.compare.ignored import IgnoredPaths
from shadow_mw.compare.paths import MAX_PATHS, is_same, leaf_pairs, path_text
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
        leaves = leaf_pairs(pair.production, pair.shadow, self.ignored)
        different = (path for path, production, shadow in leaves if not is_same(production, shadow))
        paths = tuple(path_text(path) for path in islice(different, MAX_PATHS))
        return Judgement(verdict="disagree" if paths else "agree", diff_paths=paths)
