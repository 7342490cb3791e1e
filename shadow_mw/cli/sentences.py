"""What the report says in sentences: the verdict first, and what makes the figures less than they seem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw.figures import counted, interval, share

if TYPE_CHECKING:
    from shadow_mw.report import Account


def verdict_sentence(shadow: str, total: Account) -> str:
    """The first sentence on a shadow: calls, coverage, agreement with its interval, failures."""
    if not total.eligible:
        return f"{shadow}: no predict call was counted, so there is no coverage and no agreement to show."
    shadow_failures = counted(total.buckets["shadow_error"] + total.buckets["shadow_timeout"], "time")
    production_failures = counted(total.buckets["production_error"], "time")
    if total.agreement.rate is None:
        agreement = "no two predictions could be compared"
    else:
        agreement = f"agreement is {interval(total.agreement)}"
    return (
        f"{shadow}: {counted(total.eligible, 'predict call')}; the shadow answered {total.answered:,} of "
        f"them (coverage {share(total.coverage)}); {agreement}; the shadow failed {shadow_failures}, "
        f"production {production_failures}."
    )


def warnings(total: Account, comparators: tuple[str, ...]) -> list[str]:
    """What makes the figures less than they seem, a sentence each."""
    sentences = []
    if total.records_dropped:
        sentences.append(
            f"The store could not keep {counted(total.records_dropped, 'comparison')}: they are in the "
            "books, not in the latencies and lists."
        )
    if total.judged_records > total.judged:
        more = total.judged_records - total.judged
        sentences.append(
            f"The store holds {counted(more, 'comparison')} that the books lack: the books are "
            "written last, so an app is still running or was killed."
        )
    if total.judged_records + total.records_dropped < total.judged:
        sentences.append(
            f"The store holds {total.judged_records:,} of the {total.judged:,} comparisons in the books: the "
            "rest was removed by its size cap or retention, or lost with a killed process."
        )
    if len(comparators) > 1:
        sentences.append(
            f"Several comparators were used ({', '.join(comparators)}): agreement mixes their meanings."
        )
    return sentences
