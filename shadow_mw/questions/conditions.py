"""Scopes as SQL conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.scope import Meaning, Scope

JUDGED = "verdict IN ('agree', 'disagree')"
BOTH_ANSWERED = "outcome = 'answered' AND production_outcome = 'answered'"


class Condition(msgspec.Struct, frozen=True):
    """The text after WHERE, with a `?` for each parameter. Immutable."""

    sql: str
    parameters: tuple[Any, ...]

    def __and__(self, sql: str) -> Condition:
        """Both hold; what is added takes no parameters."""
        return Condition(f"{self.sql} AND {sql}", self.parameters)


def comparisons_in(scope: Scope, table: str = "") -> Condition:
    """The comparisons in a scope; `table` names the one that is meant where there are several."""
    facts = {"comparator": scope.comparator, "production_version": scope.production_version}
    where = _in(scope, table, facts) & f"{_column('role', table)} = 'shadow'"
    return _of_meanings(where, scope.meanings, table) if scope.meanings else where


def tallies_in(scope: Scope) -> Condition:
    """The tallies in a scope: those whose minute begins in it. They know no comparator and no version."""
    return _in(scope, "", {})


def every(reader: Reader, what: str, where: Condition, at_most: int) -> int:
    """The `m` for which every m-th of what a condition holds for is about `at_most`; 1 where it is fewer."""
    (row,) = reader.rows(f"SELECT count(*) AS n FROM {what} WHERE {where.sql}", where.parameters)  # noqa: S608 - no user's text
    return max(-(-int(row["n"]) // max(at_most, 1)), 1)


def sampled(where: Condition, m: int) -> Condition:
    """Every m-th moment, whatever the exchange is like."""
    return where & f"mod(ts_us, {m}) = 0" if m > 1 else where


def _in(scope: Scope, table: str, facts: dict[str, str | None]) -> Condition:
    tests: list[tuple[str, Any]] = [
        ("shadow = ?", scope.shadow),
        ("route = ?", scope.route),
        ("ts_us >= ?", scope.since_us),
        ("ts_us < ?", scope.until_us),
        *((f"{name} = ?", value) for name, value in facts.items()),
    ]
    given = [(_column(test, table), value) for test, value in tests if value is not None]
    return Condition(" AND ".join(test for test, _ in given), tuple(value for _, value in given))


def _of_meanings(where: Condition, meanings: Sequence[Meaning], table: str) -> Condition:
    names = ("route", "comparator", "production_version")
    one = " AND ".join(f"{_column(name, table)} = ?" for name in names)
    verdict = _column("verdict", table)
    sql = f"({verdict} = 'none' OR {' OR '.join(f'({one})' for _ in meanings)})"
    parameters = [getattr(meaning, name) for meaning in meanings for name in names]
    return Condition(f"{where.sql} AND {sql}", (*where.parameters, *parameters))


def _column(name: str, table: str) -> str:
    return f"{table}.{name}" if table else name
