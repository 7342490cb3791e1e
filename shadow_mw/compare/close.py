"""The comparator `close`: predictions agree when their numbers are close and the rest is equal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from shadow_mw.compare.facts import Differences, values_of
from shadow_mw.compare.ignored import IgnoredPaths
from shadow_mw.compare.paths import Leaves, is_number, is_same, leaf_pairs
from shadow_mw.compare.rows import found_in
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement

Number: TypeAlias = int | float


@dataclass(frozen=True)
class Close:
    """Numbers within a tolerance, anywhere in the JSON; everything else as in `exact`.

    `numpy.isclose` with production as its reference `b`:
    |production - shadow| <= atol + rtol * |production|. NaN equals NaN, an infinity the one of the same sign.
    """

    rtol: float = 1e-5
    atol: float = 1e-8
    ignored: IgnoredPaths = field(default_factory=IgnoredPaths)
    only_found: bool = False
    """True leaves out what stands in a model server's envelope beside the predictions: ids, versions."""

    @property
    def name(self) -> str:
        """`close`."""
        return "close"

    def compare(self, pair: Pair) -> Judgement:
        """The judgement; its delta is the largest finite difference of two numbers at the same path."""
        if isinstance(pair.production, bytes) or isinstance(pair.shadow, bytes):
            return Judgement(verdict="incomparable", reason=_no_json(pair))
        differences = Differences(pair)
        delta: float | None = None
        for path, production, shadow in self._leaves(pair):
            is_close = is_same(production, shadow)
            if is_number(production) and is_number(shadow):
                gap = _gap(production, shadow)
                delta = gap if delta is None else delta if gap is None else max(delta, gap)
                is_close = is_close or self._is_close(production, shadow)
            if not is_close:
                differences.add(path)
        return Judgement(
            verdict="disagree" if differences.paths else "agree",
            delta=delta,
            diff_paths=differences.paths,
            items=differences.items,
            items_agree=differences.items_agree,
            **values_of(pair),
        )

    def _leaves(self, pair: Pair) -> Iterator[Leaves]:
        if self.only_found:
            way = found_in(pair.production).way[:1]
            if way == found_in(pair.shadow).way[:1]:
                key = way[0] if way else None
                sides = (pair.production[key], pair.shadow[key]) if way else (pair.production, pair.shadow)
                return leaf_pairs(*sides, self.ignored, way)
        return leaf_pairs(pair.production, pair.shadow, self.ignored)

    def _is_close(self, production: Number, shadow: Number) -> bool:
        if not (_is_finite(production) and _is_finite(shadow)):
            return False
        try:
            gap = abs(production - shadow)
            if gap < math.inf:
                return gap <= self.atol + self.rtol * abs(production)
        except OverflowError:
            pass
        tolerance = Fraction(self.atol) + Fraction(self.rtol) * abs(Fraction(production))
        return abs(Fraction(production) - Fraction(shadow)) <= tolerance


def _is_finite(number: Number) -> bool:
    return isinstance(number, int) or math.isfinite(number)


def _gap(production: Number, shadow: Number) -> float | None:
    """The distance as a float, or None where a float cannot hold it."""
    try:
        gap = float(abs(production - shadow))
    except OverflowError:
        return None
    return gap if math.isfinite(gap) else None


def _no_json(pair: Pair) -> str:
    sides = [
        side
        for side, value in (("production's", pair.production), ("the shadow's", pair.shadow))
        if isinstance(value, bytes)
    ]
    return f"{' and '.join(sides)} prediction is not JSON, and close compares numbers in JSON: use exact"
