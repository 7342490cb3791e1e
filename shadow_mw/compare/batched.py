"""Batched: a comparator of single predictions, made one of batches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, zip_longest

from shadow_mw.compare.paths import MAX_PATH_CHARS, MAX_PATHS, MISSING, Part, way_text
from shadow_mw.compare.rows import Batch, batch_of, found_in
from shadow_mw.compare.text import fitted
from shadow_mw.protocols import Comparator, Pair
from shadow_mw.records import Judgement

#: Rows are judged one by one on the worker's loop, each in some microseconds.
MAX_ROWS = 10_000


class Batched:
    """Judges a batch row by row, and anything else as one prediction, without its envelope."""

    def __init__(self, comparator: Comparator, *, are_objects_rows: bool = True) -> None:
        """Take the comparator of one row, and whether a list of objects may be rows where nothing tells."""
        self._comparator = comparator
        self._are_objects_rows = are_objects_rows

    def __repr__(self) -> str:
        """The comparator of one row."""
        return f"Batched({self._comparator!r})"

    @property
    def name(self) -> str:
        """The name of the comparator of one row."""
        return self._comparator.name

    def compare(self, pair: Pair) -> Judgement:
        """The judgement of one prediction, or of all rows: agree when all do; its delta is the largest.

        One incomparable row makes the batch incomparable. Labels and scores are told where there is one row.
        """
        batch = batch_of(pair, are_objects_rows=self._are_objects_rows)
        if batch is None:
            production = found_in(pair.production)
            found = Pair(production.value, found_in(pair.shadow).value, pair.features, pair.route)
            return _moved(self._comparator.compare(found), production.way)
        rows = _rows(batch)
        judgements = [self._row(production, shadow, pair.route) for production, shadow in rows]
        if len(rows) == 1:
            return _moved(judgements[0], _way(batch, 0))
        return _summed(judgements, batch)

    def _row(self, production: object, shadow: object, route: str) -> Judgement:
        if production is MISSING or shadow is MISSING:
            return Judgement(verdict="disagree", diff_paths=("$",))
        return self._comparator.compare(Pair(production, shadow, route=route))


def _rows(batch: Batch) -> list[tuple[object, object]]:
    """Both sides row by row; of a very large batch the first ones, and one more if the sizes differ."""
    production, shadow = batch.production.rows, batch.shadow.rows
    rows: list[tuple[object, object]] = list(
        islice(zip_longest(production, shadow, fillvalue=MISSING), MAX_ROWS)
    )
    if len(production) != len(shadow) and min(len(production), len(shadow)) >= MAX_ROWS:
        rows.append((MISSING, MISSING))
    return rows


def _summed(judgements: Sequence[Judgement], batch: Batch) -> Judgement:
    for row, judgement in enumerate(judgements):
        if judgement.verdict == "incomparable":
            return Judgement(verdict="incomparable", reason=f"row {row}: {judgement.reason}")
    agreeing = sum(judgement.verdict == "agree" for judgement in judgements)
    paths = (
        path
        for row, judgement in enumerate(judgements)
        for path in (_moved(judgement, _way(batch, row)).diff_paths if judgement.diff_paths else ())
    )
    return Judgement(
        verdict="agree" if agreeing == len(judgements) else "disagree",
        delta=max((one.delta for one in judgements if one.delta is not None), default=None),
        diff_paths=tuple(islice(paths, MAX_PATHS)),
        items=len(judgements),
        items_agree=agreeing,
    )


def _way(batch: Batch, row: int) -> tuple[Part, ...]:
    return (*batch.production.way, row * batch.production.width)


def _moved(judgement: Judgement, way: Sequence[Part]) -> Judgement:
    """The judgement with its paths from the root of the whole answer."""
    if not (way and judgement.diff_paths):
        return judgement
    root = way_text(way)
    paths = tuple(fitted(root + path[1:], MAX_PATH_CHARS) for path in judgement.diff_paths)
    return Judgement(
        **{name: getattr(judgement, name) for name in judgement.__struct_fields__} | {"diff_paths": paths}
    )
