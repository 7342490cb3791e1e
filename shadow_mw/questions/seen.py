"""Which shadows and routes a store has, for pickers."""

from __future__ import annotations

from typing import Any

import msgspec

from shadow_mw.protocols import Reader

_COMPARED = """
SELECT shadow, role, route, min(ts_us) AS first_us, max(ts_us) AS last_us FROM comparisons GROUP BY 1, 2, 3
"""
_TALLIED = "SELECT shadow, route, min(ts_us) AS first_us, max(ts_us) AS last_us FROM tallies GROUP BY 1, 2"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One shadow on one route, and when it was seen. Immutable."""

    shadow: str
    role: str
    """`shadow` or `control`."""
    route: str
    first_us: int
    last_us: int
    """Of the latest comparison, or of the minute of the latest tally."""


def seen(reader: Reader) -> tuple[Seen, ...]:
    """Every shadow and control on every route, ordered by name.

    A shadow that has tallies and not one comparison counts as a `shadow`.
    """
    compared = reader.rows(_COMPARED)
    roles = {row["shadow"]: row["role"] for row in compared}
    tallied = [{**row, "role": roles.get(row["shadow"], "shadow")} for row in reader.rows(_TALLIED)]
    found: dict[tuple[str, str, str], Seen] = {}
    for row in compared + tallied:
        key = (row["shadow"], row["role"], row["route"])
        found[key] = _joined(found.get(key), row)
    return tuple(found[key] for key in sorted(found))


def _joined(known: Seen | None, row: dict[str, Any]) -> Seen:
    one = Seen(**row)
    if known is None:
        return one
    return msgspec.structs.replace(
        known, first_us=min(known.first_us, one.first_us), last_us=max(known.last_us, one.last_us)
    )
