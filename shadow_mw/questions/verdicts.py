"""How often the predictions agreed, and under which comparator and version."""

from __future__ import annotations

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import comparisons_in
from shadow_mw.scope import Scope

_VERDICTS = """
SELECT route,
    count(*) FILTER (WHERE verdict = 'agree') AS agree,
    count(*) FILTER (WHERE verdict = 'disagree') AS disagree,
    count(*) FILTER (WHERE verdict = 'incomparable') AS incomparable,
    CAST(sum(items) AS BIGINT) AS items,
    CAST(sum(items_agree) AS BIGINT) AS items_agree,
    min(ts_us) AS first_us, max(ts_us) AS last_us
FROM comparisons WHERE {where} GROUP BY route ORDER BY route
"""
_EPOCHS = """
SELECT route, comparator, production_version,
    min(ts_us) AS first_us, max(ts_us) AS last_us, count(*) AS comparisons
FROM comparisons WHERE {where} AND verdict IN ('agree', 'disagree', 'incomparable')
GROUP BY 1, 2, 3 ORDER BY 4, 1, 2, 3
"""


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparisons on one route came to. Immutable."""

    route: str
    agree: int
    disagree: int
    incomparable: int
    items: int
    """The predictions in them: rows of batches, or 1 a comparison."""
    items_agree: int
    first_us: int
    """Of all records on the route, also those without a verdict; microseconds of Unix time."""
    last_us: int


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which `agree` meant one thing: one comparator, one version of production. Immutable."""

    route: str
    comparator: str
    production_version: str
    first_us: int
    last_us: int
    comparisons: int
    """Those with a verdict."""


def verdicts(reader: Reader, scope: Scope) -> tuple[Verdicts, ...]:
    """The verdicts of each route, ordered by route; a route without records is left out."""
    where = comparisons_in(scope)
    rows = reader.rows(_VERDICTS.format(where=where.sql), where.parameters)
    return tuple(Verdicts(**row) for row in rows)


def epochs(reader: Reader, scope: Scope) -> tuple[Epoch, ...]:
    """The comparators and versions of production that gave verdicts, the earliest first."""
    where = comparisons_in(scope)
    return tuple(Epoch(**row) for row in reader.rows(_EPOCHS.format(where=where.sql), where.parameters))
