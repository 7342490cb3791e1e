"""Both sides: latencies and failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw.cli.sections.numbers import estimated, probability, share
from shadow_mw.cli.sections.section import Row, Section
from shadow_mw.dashboard.losses import paired_rows
from shadow_mw.dashboard.words import counted, duration, points, signed, times

if TYPE_CHECKING:
    from shadow_mw.analysis.analysis import Analysis

_QUANTILES = ("p50", "p95", "p99")


def quantiles(analysis: Analysis) -> Section:
    """The quantiles of both sides over the pairs that both answered."""
    latency = analysis.latency
    rows = [
        Row(
            (
                name,
                estimated(getattr(latency.production, name), duration),
                estimated(getattr(latency.shadow, name), duration),
            )
        )
        for name in _QUANTILES
    ]
    pairs = counted(latency.production.p50.n)
    head = ("latency", "production", "shadow")
    return Section(title=f"Latency over {pairs} pairs that both answered", head=head, rows=tuple(rows))


def paired(analysis: Analysis) -> Section:
    """What the shadow takes longer on the same requests."""
    rows = (
        Row((name, estimated(ratio, times), estimated(difference, signed)))
        for name, difference, ratio in paired_rows(analysis)
    )
    return Section(
        title="The shadow's latency against production's on the same requests",
        head=("", "ratio", "difference"),
        rows=tuple(rows),
    )


def errors(analysis: Analysis) -> Section:
    """The two by two table of who answered."""
    found = analysis.errors
    rows: tuple[Row, ...] = (
        Row(("production answered", counted(found.both_answered), counted(found.shadow_failed))),
        Row(("production failed", counted(found.production_failed), counted(found.both_failed))),
    )
    if not found.asked:
        rows = ()
    note = (
        f"Production failed {share(found.production)}, the shadow {share(found.shadow)}: an increase of "
        f"{estimated(found.increase, points)}; McNemar's exact test: p {_p(found.p_value)}."
    )
    return Section(
        title=f"Errors over {counted(found.asked)} requests that the shadow was asked",
        head=("", "shadow answered", "shadow failed"),
        rows=rows,
        notes=(note,),
    )


def reasons(analysis: Analysis) -> Section:
    """Why the sides failed, the most frequent first."""
    rows = (Row((one.side, one.reason, counted(one.count))) for one in analysis.errors.reasons)
    return Section(title="Why they failed", head=("side", "reason", "times"), rows=tuple(rows), texts=2)


def _p(value: float) -> str:
    shown = probability(value)
    return shown if shown.startswith("<") else f"= {shown}"
