"""The comparator `auto`: picks a comparator by the shape of production's predictions on one route."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from shadow_mw.compare.rows import batch_of, found_in
from shadow_mw.compare.shape import Shape, joined, shape_of
from shadow_mw.compare.similar_text import has_rapidfuzz
from shadow_mw.protocols import Comparator, Pair
from shadow_mw.records import Judgement

#: How many rows of a batch are looked at.
_ROWS = 16


class Auto:
    """Judges by `label`, `vector`, `text`, `close` or `exact`, whichever the route's predictions ask for.

    The pick covers all shapes of production that came so far, in any order, so it moves at most twice and
    never back, and is the same in every worker that has seen the same shapes. The shadow is on trial and has
    no say; several shadows of a route are judged alike. Not thread-safe.
    """

    def __init__(self, make: Callable[[str], Comparator]) -> None:
        """Take what makes a comparator by its name."""
        self._make = make
        self._shape: Shape | None = None
        self._made: dict[str, Comparator] = {}
        self._pick = ""
        self._text = "text" if has_rapidfuzz() else "exact"

    def __repr__(self) -> str:
        """The pick."""
        return f"Auto({self._pick!r})"

    @property
    def name(self) -> str:
        """`auto:` and the latest pick; empty before the first."""
        return f"auto:{self._pick}" if self._pick else ""

    def compare(self, pair: Pair) -> Judgement:
        """The judgement of the comparator that fits."""
        self._shape = joined((self._shape, _shape(pair)))
        self._pick = self._fitting(pair)
        if self._pick not in self._made:
            self._made[self._pick] = self._make(self._pick)
        return self._made[self._pick].compare(pair)

    def _fitting(self, pair: Pair) -> str:
        if self._shape == "label" or self._shape == "vector":
            return self._shape
        if self._shape == "text":
            return self._text
        return "exact" if self._shape is None and isinstance(pair.production, bytes) else "close"


def _shape(pair: Pair) -> Shape | None:
    batch = batch_of(pair)
    if batch is None:
        return shape_of(found_in(pair.production).value)
    return joined(map(shape_of, islice(batch.production.rows, _ROWS)))
