"""The closed books, and the routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw.analysis.restraint import held_back_then
from shadow_mw.cli.sections.numbers import share
from shadow_mw.cli.sections.section import Row, Section
from shadow_mw.dashboard.words import counted, percent

if TYPE_CHECKING:
    from shadow_mw.analysis.account import Account
    from shadow_mw.analysis.analysis import Analysis

_ROUTE_COLUMNS = 3
_UNACCOUNTED = "unaccounted (in flight, or lost with a process)"


def routes(analysis: Analysis) -> Section | None:
    """A row a route, where there are several."""
    if len(analysis.routes) < 2:
        return None
    rows = (
        Row(
            (
                one.account.route,
                counted(one.account.eligible),
                percent(one.account.coverage.rate),
                share(one.agreement.share),
            )
        )
        for one in analysis.routes
    )
    head = ("route", "calls", "coverage", "agreement (interval)")
    return Section(title="Routes", head=head, rows=tuple(rows))


def buckets(analysis: Analysis, held_back: str) -> Section:
    """Buckets as rows, all routes and at most three of them as columns, a sum at the foot.

    `held_back` is what the governor does at this moment, as a sentence or empty.
    """
    accounts = [analysis.account]
    if 1 < len(analysis.routes) <= _ROUTE_COLUMNS:
        accounts += [one.account for one in analysis.routes]
    rows = [_row(name, [account.buckets[name] for account in accounts]) for name in analysis.account.buckets]
    if any(account.unaccounted for account in accounts):
        rows.append(_row(_UNACCOUNTED, [account.unaccounted for account in accounts]))
    eligible = _row("= eligible", [account.eligible for account in accounts])
    return Section(
        title="Closed books: where every eligible call ended, each in one bucket",
        head=("bucket", *(account.route or "calls" for account in accounts)),
        rows=(*rows, Row(eligible.cells, "strong"), *_skips(accounts)),
        notes=tuple(filter(None, (held_back_then(analysis.account), held_back))),
    )


def _skips(accounts: list[Account]) -> list[Row]:
    return [
        _row(f"beside them: {skip}", [account.skipped[skip] for account in accounts])
        for skip, total in accounts[0].skipped.items()
        if total
    ]


def _row(name: str, numbers: list[int]) -> Row:
    return Row((name, *map(counted, numbers)))
