"""Which records a store has already, of those that a broker may have delivered twice."""

from __future__ import annotations

from collections.abc import Sequence

from shadow_mw.protocols import Reader

_MOST_AT_ONCE = 500


def known_records(reader: Reader, records: Sequence[tuple[str, int]]) -> frozenset[str]:
    """The ids that are in the store, of records given as (record id, microseconds of Unix time)."""
    known: set[str] = set()
    for start in range(0, len(records), _MOST_AT_ONCE):
        some = records[start : start + _MOST_AT_ONCE]
        moments = [moment for _, moment in some]
        marks = ", ".join("?" * len(some))
        rows = reader.rows(
            "SELECT record_id FROM comparisons "  # noqa: S608 - question marks
            f"WHERE ts_us >= ? AND ts_us <= ? AND record_id IN ({marks})",
            [min(moments), max(moments), *(record_id for record_id, _ in some)],
        )
        known.update(row["record_id"] for row in rows)
    return frozenset(known)
