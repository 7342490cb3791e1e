"""Agreement by every way of counting it, with coverage beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw.cli.sections.numbers import between, estimated
from shadow_mw.cli.sections.section import Row, Section
from shadow_mw.dashboard.words import counted, limit, percent, points

if TYPE_CHECKING:
    from shadow_mw.analysis.analysis import Analysis
    from shadow_mw.stats import Estimate, Ratio


def agreement(analysis: Analysis) -> Section:
    """Agreement with both intervals, the conservative figure, items, the noise floor, coverage."""
    found = analysis.agreement
    rows = [
        _row("agreement, looking once", found.share, "strong"),
        _row("agreement, looking at any time", found.always),
        _row("conservative: failures disagree", found.conservative),
    ]
    if found.items.trials not in (0, found.share.trials):
        rows.append(_row("of the predictions in batches", found.items))
    if analysis.noise is not None:
        rows.append(_row("production with its own twin", analysis.noise.control))
    coverage = analysis.account.coverage
    rows.append(Row(("coverage", percent(coverage.rate), "counted", counted(coverage.trials))))
    head = ("", "share", f"{limit(analysis.confidence)} interval", "of")
    return Section(title="Agreement and coverage", head=head, rows=tuple(rows), notes=_notes(analysis))


def _row(name: str, share: Ratio | Estimate, tone: str = "") -> Row:
    value = share.value if hasattr(share, "value") else share.rate
    n = share.n if hasattr(share, "n") else share.trials
    interval = between(percent(share.low), percent(share.high))
    return Row((name, percent(value), interval, counted(n)), "strong" if tone else "")


def _notes(analysis: Analysis) -> tuple[str, ...]:
    if analysis.noise is None:
        return ()
    excess = estimated(analysis.noise.excess, points)
    pairs = counted(analysis.noise.pairs)
    return (f"Noise floor: over {pairs} requests the shadow disagrees {excess} more often than the twin.",)
