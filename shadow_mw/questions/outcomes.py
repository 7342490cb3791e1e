"""What became of both sides of each exchange."""

from __future__ import annotations

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import comparisons_in
from shadow_mw.scope import Scope


class OutcomeCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many exchanges ended in one way. Immutable."""

    route: str
    production_outcome: str
    production_error_type: str
    production_status: int
    outcome: str
    """The shadow's, as are `error_type` and `shadow_status`."""
    error_type: str
    shadow_status: int
    bucket: str
    n: int


_NAMES = ", ".join(OutcomeCount.__struct_fields__[:-1])


def outcomes(reader: Reader, scope: Scope) -> tuple[OutcomeCount, ...]:
    """Every way in which exchanges ended, the most frequent first."""
    where = comparisons_in(scope)
    rows = reader.rows(
        f"SELECT {_NAMES}, count(*) AS n FROM comparisons WHERE {where.sql} "  # noqa: S608 - no user's text
        f"GROUP BY {_NAMES} ORDER BY n DESC, {_NAMES}",
        where.parameters,
    )
    return tuple(OutcomeCount(**row) for row in rows)
