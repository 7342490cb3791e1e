"""A section: one table of the report, before it is written in any form."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Tone: TypeAlias = Literal["", "pass", "fail", "unknown", "strong"]


class Row(msgspec.Struct, frozen=True):
    """One row of a table. Immutable."""

    cells: tuple[str, ...]
    """As they came from the records: every form escapes them by its own rules."""
    tone: Tone = ""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One table with its title and what has to be said of it. Immutable."""

    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    texts: int = 1
    """How many columns from the left hold texts; the others hold numbers."""
    notes: tuple[str, ...] = ()
