"""Exchanges, one a row, and one exchange whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import Condition, comparisons_in
from shadow_mw.records import Comparison
from shadow_mw.scope import Scope

PREDICTION_CHARS = 200
"""Where a listed prediction is cut."""

Only: TypeAlias = Literal["disagree", "agree", "incomparable", "failed"]
Order: TypeAlias = Literal["newest", "delta"]

_ORDERS: dict[Order, str] = {
    "newest": "ts_us DESC, record_id DESC",
    "delta": "delta DESC NULLS LAST, ts_us DESC, record_id DESC",
}


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison without its features; its predictions are cut at 200 characters. Immutable."""

    record_id: str
    request_id: str
    trace_id: str
    ts_us: int
    route: str
    shadow: str
    bucket: str
    outcome: str
    error_type: str
    error: str
    production_outcome: str
    production_error_type: str
    production_status: int
    shadow_status: int
    production_us: int
    shadow_us: int
    verdict: str
    reason: str
    delta: float | None
    diff_paths: tuple[str, ...]
    items: int
    items_agree: int
    production_label: str | None
    shadow_label: str | None
    production_prediction: str
    shadow_prediction: str


class WholeExchange(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is kept of one exchange. Immutable."""

    comparison: Comparison
    siblings: tuple[Comparison, ...]
    """The same request against other shadows and the control, ordered by shadow."""


_PAYLOADS = ("production_prediction", "shadow_prediction")
_PLAIN = ", ".join(name for name in Listed.__struct_fields__ if name not in _PAYLOADS)


def listing(
    reader: Reader,
    scope: Scope,
    *,
    only: Only | None = None,
    order: Order = "newest",
    limit: int = 50,
    before: int | None = None,
) -> tuple[Listed, ...]:
    """At most `limit` comparisons, the newest or the most divergent first.

    `before` is a moment (`ts_us`): what came at it or later is left out, so that the last row's asks for
    the next page of the newest.
    """
    where = _only(comparisons_in(scope), only)
    if before is not None:
        where = Condition(f"{where.sql} AND ts_us < ?", (*where.parameters, before))
    chosen = reader.rows(
        f"SELECT record_id, ts_us FROM comparisons WHERE {where.sql} "  # noqa: S608 - no user's text
        f"ORDER BY {_ORDERS[order]} LIMIT {int(limit)}",
        where.parameters,
    )
    rows = _rows(reader, chosen) if chosen else []
    places = {row["record_id"]: place for place, row in enumerate(chosen)}
    return tuple(sorted(rows, key=lambda row: places[row.record_id]))


def exchange(reader: Reader, record_id: str) -> WholeExchange | None:
    """The comparison of that id with its siblings; None where there is none."""
    found = reader.rows("SELECT * FROM comparisons WHERE record_id = ?", [record_id])
    if not found:
        return None
    comparison = _comparison(found[0])
    same = reader.rows(
        "SELECT * FROM comparisons WHERE ts_us = ? AND request_id = ? AND route = ? "
        "ORDER BY shadow, record_id",
        [comparison.ts_us, comparison.request_id, comparison.route],
    )
    siblings = tuple(_comparison(row) for row in same if row["record_id"] != record_id)
    return WholeExchange(comparison=comparison, siblings=siblings)


def _only(where: Condition, only: Only | None) -> Condition:
    if only is None:
        return where
    if only == "failed":
        return where & "(outcome <> 'answered' OR production_outcome <> 'answered')"
    return where & f"verdict = '{only}'"


def _rows(reader: Reader, chosen: Sequence[dict[str, Any]]) -> list[Listed]:
    """The rows of the chosen; payload columns are read for these alone."""
    cut = ", ".join(f"{reader.dialect.prefix(name, PREDICTION_CHARS)} AS {name}_cut" for name in _PAYLOADS)
    moments = sorted(row["ts_us"] for row in chosen)
    marks = ", ".join("?" for _ in chosen)
    rows = reader.rows(
        f"SELECT {_PLAIN}, {cut} FROM comparisons "  # noqa: S608 - no user's text
        f"WHERE ts_us >= ? AND ts_us <= ? AND record_id IN ({marks})",
        [moments[0], moments[-1], *(row["record_id"] for row in chosen)],
    )
    return [
        msgspec.convert({name.removesuffix("_cut"): value for name, value in row.items()}, Listed)
        for row in rows
    ]


def _comparison(row: dict[str, Any]) -> Comparison:
    """A row as a record; what an older version did not write has its default."""
    known = {name: row[name] for name in Comparison.__struct_fields__ if row.get(name) is not None}
    return msgspec.convert({"kind": "comparison", **known}, Comparison)
