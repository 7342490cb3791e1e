"""Losses: where every eligible request ended, as rows of a table and parts of a bar."""

from __future__ import annotations

import msgspec

from shadow_mw import figures
from shadow_mw.analysis.account import Account
from shadow_mw.analysis.analysis import Analysis
from shadow_mw.analysis.criteria import Criterion
from shadow_mw.analysis.decision import Decision
from shadow_mw.analysis.restraint import held_back_then
from shadow_mw.dashboard.words import limit, moment
from shadow_mw.stats import Estimate

#: Each bucket with its colour (by whose doing it is) and what it means, for a person.
_MEANINGS = {
    "compared": ("answered", "both answered, and were compared"),
    "incomparable": ("answered", "both answered, and could not be compared"),
    "production_error": ("theirs", "production failed"),
    "shadow_error": ("unanswered", "the shadow failed"),
    "shadow_timeout": ("unanswered", "the shadow was too slow"),
    "circuit_open": ("unasked", "not asked: it kept failing"),
    "queue_full": ("unasked", "not asked: no room in the queue, or too old"),
    "too_large": ("unasked", "not asked: the body was too large"),
    "worker_lost": ("unasked", "the worker ended first"),
    "unaccounted": ("open", "still under way, or lost with a killed process"),
}
_WIDTH = 1000
_LARGEST = 3


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One place where requests ended. Immutable."""

    name: str
    meaning: str
    ink: str
    n: int
    share: float | None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the bar, in thousandths of its width. Immutable."""

    ink: str
    begin: float
    width: float


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """The closed books, to be shown. Immutable."""

    rows: tuple[Row, ...]
    stack: tuple[Part, ...]
    largest: tuple[tuple[str, int], ...]
    """The most frequent reasons for which the shadow did not answer."""
    skipped: tuple[tuple[str, int], ...]
    """What the policy left out, beside the books."""
    governed: str
    """What the governor left out, as a sentence; empty where it was nothing."""


def losses(account: Account) -> Losses:
    """The books of an account; buckets in which nothing ended are left out, but for `compared`."""
    counts = {**account.buckets, "unaccounted": max(account.unaccounted, 0)}
    rows = tuple(
        _row(name, counts.get(name, 0), account.eligible)
        for name in _MEANINGS
        if counts.get(name, 0) or name == "compared"
    )
    lost = [row for row in rows if row.ink in ("unanswered", "unasked", "open")]
    return Losses(
        rows=rows,
        stack=_stack(rows),
        largest=tuple((row.name, row.n) for row in sorted(lost, key=lambda row: -row.n)[:_LARGEST]),
        skipped=tuple((_plain(name), n) for name, n in account.skipped.items() if n),
        governed=held_back_then(account),
    )


def judged(decision: Decision, analysis: Analysis) -> dict[str, Criterion | Estimate]:
    """The figures of the tiles as the gate holds them against its limits, so that a page tells one number."""
    found: dict[str, Criterion | Estimate] = {one.name: one for one in decision.criteria}
    if analysis.noise is not None:
        # The gate looks at what goes beyond the noise; the tile still tells the agreement itself.
        found["agreement"] = analysis.agreement.always
    return found


def ordered(decision: Decision) -> tuple[Criterion, ...]:
    """The criteria, first those that stand in the way."""
    return tuple(sorted(decision.criteria, key=lambda one: ("fail", "unknown", "pass").index(one.status)))


def summary(decision: Decision, analysis: Analysis) -> str:
    """The verdict's reason in one sentence, and what it rests on in another."""
    open_ones = [one.status for one in decision.criteria if one.status != "pass"]
    total = len(decision.criteria)
    if decision.verdict == "promote":
        reason = f"All {total} criteria hold."
    elif decision.verdict == "hold":
        reason = f"{open_ones.count('fail')} of {total} criteria {_do(open_ones.count('fail'))} not hold."
    else:
        reason = f"{len(open_ones)} of {total} criteria cannot be judged yet."
    if analysis.first_us is None:
        return reason
    span = f"{moment(analysis.first_us)[:16]} to {moment(analysis.last_us)[:16]}"
    judged = figures.counted(analysis.agreement.share.trials, "comparison")
    return f"{reason} {judged}, {span} UTC, at {limit(analysis.confidence)} confidence."


def paired_rows(analysis: Analysis) -> tuple[tuple[str, Estimate, Estimate], ...]:
    """Name, difference in seconds and ratio of each quantile; empty where there are no pairs."""
    paired = analysis.latency.paired
    if not paired.n:
        return ()
    return (
        ("p50", paired.difference_p50, paired.ratio_p50),
        ("p95", paired.difference_p95, paired.ratio_p95),
    )


def _do(n: int) -> str:
    return "does" if n == 1 else "do"


def _row(name: str, n: int, eligible: int) -> Row:
    ink, meaning = _MEANINGS[name]
    return Row(name=_plain(name), meaning=meaning, ink=ink, n=n, share=n / eligible if eligible else None)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _stack(rows: tuple[Row, ...]) -> tuple[Part, ...]:
    """Every row a part; the smallest are widened to where they can be seen."""
    widths = [max(_WIDTH * (row.share or 0.0), 4.0 if row.n else 0.0) for row in rows]
    total = sum(widths) or 1.0
    parts, begin = [], 0.0
    for row, width in zip(rows, widths, strict=True):
        parts.append(Part(ink=row.ink, begin=begin, width=_WIDTH * width / total))
        begin += _WIDTH * width / total
    return tuple(parts)
