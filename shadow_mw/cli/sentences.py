"""What the report says in sentences: what was seen, and what makes the figures less than they seem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw.figures import counted, interval, moment, share

if TYPE_CHECKING:
    from shadow_mw.analysis.account import Account
    from shadow_mw.analysis.analysis import Analysis
    from shadow_mw.analysis.period import Period


def overview(analysis: Analysis) -> str:
    """Calls, coverage, agreement with its interval and failures of one shadow."""
    total = analysis.account
    if not total.eligible:
        return (
            f"{analysis.shadow}: no predict call was counted, so there is no coverage and no agreement to "
            "show."
        )
    failures = counted(total.buckets["shadow_error"] + total.buckets["shadow_timeout"], "time")
    production_failures = counted(total.buckets["production_error"], "time")
    if analysis.agreement.share.rate is None:
        agreement = "no two predictions could be compared"
    else:
        agreement = f"agreement is {interval(analysis.agreement.share)}"
    return (
        f"{analysis.shadow}: {counted(total.eligible, 'predict call')}; the shadow answered "
        f"{total.answered:,} of them (coverage {share(total.coverage.rate)}); {agreement}; the shadow failed "
        f"{failures}, production {production_failures}."
    )


def stretch(analysis: Analysis) -> str:
    """From when to when there are comparisons; empty where there are none."""
    if analysis.first_us is None or analysis.last_us is None:
        return ""
    return f"Comparisons from {moment(analysis.first_us)} to {moment(analysis.last_us)}."


def notes(analysis: Analysis) -> list[str]:
    """What makes the figures less than they seem, a sentence each."""
    period, total = analysis.period, analysis.account
    sentences = []
    if period.since_change_us is not None:
        sentences.append(
            f"The comparator or production's version changed: the count began anew at "
            f"{moment(period.since_change_us)}, and {counted(period.left_out, 'comparison')} before that "
            "are left out."
        )
    if total.records_dropped:
        sentences.append(
            f"The store could not keep {counted(total.records_dropped, 'comparison')}: they are in the "
            "books, not in the latencies and lists."
        )
    if _is_whole(period):
        sentences += filter(None, [_books_against_store(total, _judged(analysis))])
    if len(period.comparators) > 1:
        names = ", ".join(period.comparators)
        sentences.append(f"Several comparators were used ({names}): agreement mixes their meanings.")
    return sentences


def _judged(analysis: Analysis) -> int:
    """Comparisons in the store that both sides answered."""
    found = analysis.agreement
    return found.agree + found.disagree + found.incomparable


def _is_whole(period: Period) -> bool:
    """True where no limit in time cuts a minute of the books in two."""
    return period.scope.since_us is None and period.scope.until_us is None


def _books_against_store(total: Account, judged: int) -> str:
    if judged > total.judged:
        return (
            f"The store holds {counted(judged - total.judged, 'comparison')} that the books lack: the books "
            "are written last, so an app is still running or was killed."
        )
    if judged + total.records_dropped < total.judged:
        return (
            f"The store holds {judged:,} of the {total.judged:,} comparisons in the books: the rest was "
            "removed by its size cap, retention or a purge, or lost with a killed process."
        )
    return ""
