"""Period: which stretch of time counts for a decision."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.verdicts import Epoch, epochs
from shadow_mw.scope import Scope


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """What is judged: the comparisons since the comparator or production's version changed. Immutable."""

    scope: Scope
    comparators: tuple[str, ...]
    since_change_us: int | None = None
    """When the count began anew, in microseconds of Unix time; None where nothing changed."""
    left_out: int = 0
    """Comparisons before that."""


def current_period(reader: Reader, scope: Scope) -> Period:
    """The scope, begun anew after the last change on any of its routes.

    A route counts from the moment after its last comparison by another comparator or version of production.

    Raises:
        StoreError: the store could not be read.

    """
    found = epochs(reader, scope)
    ends = [end for route in {epoch.route for epoch in found} for end in _end_of_others(found, route)]
    if not ends:
        return Period(scope=scope, comparators=_comparators(found))
    since_us = max(ends) + 1
    left_out = sum(epoch.comparisons for epoch in found if epoch.last_us < since_us)
    current = [epoch for epoch in found if epoch.last_us >= since_us]
    return Period(
        scope=msgspec.structs.replace(scope, since_us=since_us),
        comparators=_comparators(current),
        since_change_us=since_us,
        left_out=left_out,
    )


def _end_of_others(found: Sequence[Epoch], route: str) -> list[int]:
    """When the last of a route's superseded epochs ended; empty where there is one only."""
    ordered = sorted((epoch.last_us for epoch in found if epoch.route == route), reverse=True)
    return ordered[1:2]


def _comparators(found: Sequence[Epoch]) -> tuple[str, ...]:
    return tuple(sorted({epoch.comparator for epoch in found if epoch.comparator}))
