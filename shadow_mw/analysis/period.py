"""Period: which verdicts count for a decision."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.verdicts import Epoch, epochs
from shadow_mw.scope import Meaning, Scope

_MINUTE_US = 60_000_000


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """What is judged: on each route the verdicts that mean what its latest one means. Immutable."""

    scope: Scope
    comparators: tuple[str, ...]
    since_change_us: int | None = None
    """When the count began anew, in microseconds of Unix time; None where every verdict means the same."""
    left_out: int = 0
    """Verdicts by another comparator, or against another version of production."""


def current_period(reader: Reader, scope: Scope) -> Period:
    """The scope without the verdicts that mean something else than the latest of their route.

    The books, which know no comparator, begin with the first minute of what counts.

    Raises:
        StoreError: the store could not be read.

    """
    found = epochs(reader, scope)
    current = _latest_by_route(found)
    left_out = sum(epoch.comparisons for epoch in found if epoch not in current)
    comparators = tuple(sorted({epoch.comparator for epoch in current}))
    if not left_out:
        return Period(scope=scope, comparators=comparators)
    began_us = min(epoch.first_us for epoch in current)
    return Period(
        scope=msgspec.structs.replace(
            scope,
            meanings=tuple(map(_meaning, current)),
            since_us=max(began_us // _MINUTE_US * _MINUTE_US, scope.since_us or 0),
        ),
        comparators=comparators,
        since_change_us=began_us,
        left_out=left_out,
    )


def _latest_by_route(found: Sequence[Epoch]) -> list[Epoch]:
    by_route: dict[str, Epoch] = {}
    for epoch in found:
        known = by_route.setdefault(epoch.route, epoch)
        if epoch.last_us > known.last_us:
            by_route[epoch.route] = epoch
    return list(by_route.values())


def _meaning(epoch: Epoch) -> Meaning:
    return Meaning(
        route=epoch.route, comparator=epoch.comparator, production_version=epoch.production_version
    )
