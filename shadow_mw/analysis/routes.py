"""Routes: books and agreement of each, and of all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from shadow_mw.analysis.account import Account, account
from shadow_mw.analysis.agreement import Agreement, agreement
from shadow_mw.questions.outcomes import OutcomeCount
from shadow_mw.questions.verdicts import Verdicts


class RouteAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """Books and agreement of one route, or of all. Immutable."""

    account: Account
    agreement: Agreement


def route_analyses(
    books: Mapping[str, Counter[str]],
    verdicts: Iterable[Verdicts],
    outcomes: Sequence[OutcomeCount],
    confidence: float,
) -> tuple[RouteAnalysis, ...]:
    """All routes together first, then each by name."""
    found = {row.route: row for row in verdicts}
    alone = _answered_alone(outcomes)
    total = sum(books.values(), Counter[str]())
    analyses = [_one("", total, alone.total(), list(found.values()), confidence)]
    for route in sorted({*books, *found}):
        own = [found[route]] if route in found else []
        analyses.append(_one(route, books.get(route, Counter()), alone[route], own, confidence))
    return tuple(analyses)


def _one(
    route: str, counts: Counter[str], answered_alone: int, verdicts: Sequence[Verdicts], confidence: float
) -> RouteAnalysis:
    books = account(route, counts, answered_alone)
    return RouteAnalysis(account=books, agreement=agreement(route, verdicts, books, confidence))


def _answered_alone(outcomes: Iterable[OutcomeCount]) -> Counter[str]:
    """By route, where the shadow answered and production failed, which no word of the books tells."""
    alone: Counter[str] = Counter()
    for row in outcomes:
        if row.bucket == "production_error" and row.outcome == "answered":
            alone[row.route] += row.n
    return alone
