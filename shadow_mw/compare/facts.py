"""Facts: what a record keeps of two predictions beside the verdict on them."""

from __future__ import annotations

from typing import TypedDict

from shadow_mw.compare.paths import MAX_PATHS, Path, parts_of, path_text
from shadow_mw.compare.rows import batch_of, found_in, only_label, only_number
from shadow_mw.compare.text import MAX_LABEL_CHARS, fitted
from shadow_mw.protocols import Pair


class Values(TypedDict):
    """The label and the number of each side, where it is nothing else."""

    production_label: str | None
    shadow_label: str | None
    production_score: float | None
    shadow_score: float | None


class Differences:
    """The paths at which two predictions differ, told up to a number, and the rows of a batch they are in."""

    def __init__(self, pair: Pair) -> None:
        """See whether it is a batch."""
        self._batch = batch_of(pair)
        self._rows: set[int] = set()
        self._texts: list[str] = []
        self.items = max(len(side.rows) for side in self._batch) if self._batch else 1

    def __repr__(self) -> str:
        """The paths."""
        return f"Differences({self._texts})"

    def add(self, path: Path) -> None:
        """Take one more."""
        if len(self._texts) < MAX_PATHS:
            self._texts.append(path_text(path))
        row = self._batch.row_of(parts_of(path)) if self._batch else None
        if row is not None:
            self._rows.add(row)

    @property
    def is_full(self) -> bool:
        """True when one more would tell nothing new."""
        return len(self._texts) == MAX_PATHS and self._batch is None

    @property
    def paths(self) -> tuple[str, ...]:
        """The first twenty."""
        return tuple(self._texts)

    @property
    def items_agree(self) -> int | None:
        """How many rows of a batch have none; a difference beside the rows is none of theirs."""
        return self.items - len(self._rows) if self._batch else None


def values_of(pair: Pair) -> Values:
    """The labels and numbers of two predictions, so that distributions and confusions can be told."""
    production, shadow = found_in(pair.production).value, found_in(pair.shadow).value
    return Values(
        production_label=_label(production),
        shadow_label=_label(shadow),
        production_score=only_number(production),
        shadow_score=only_number(shadow),
    )


def _label(prediction: object) -> str | None:
    label = only_label(prediction)
    return None if label is None or len(label) > MAX_LABEL_CHARS else fitted(label, MAX_LABEL_CHARS)
