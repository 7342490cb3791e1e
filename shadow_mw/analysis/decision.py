"""The decision: promote, hold or not enough data."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from shadow_mw.analysis.analysis import Analysis, analyse
from shadow_mw.analysis.criteria import Criteria, Criterion, Status
from shadow_mw.analysis.judging import judge
from shadow_mw.protocols import Reader
from shadow_mw.scope import Scope

Word: TypeAlias = Literal["promote", "hold", "not enough data"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the criteria say together: all must hold for `promote`. Immutable."""

    verdict: Word
    sentence: str
    shadow: str
    criteria: tuple[Criterion, ...]


def decide(analysis: Analysis, criteria: Criteria, recent: Analysis | None = None) -> Decision:
    """The decision over an analysis, and over a recent one too where a second window is asked for.

    No correction for many criteria is needed, since all must hold: a wrong `promote` needs every one to err.
    """
    judged = judge(analysis, criteria, "")
    if recent is not None:
        judged += judge(recent, criteria, "recent ")
    verdict = overall(judged)
    return Decision(
        verdict=verdict,
        sentence=_sentence(verdict, analysis.shadow, judged),
        shadow=analysis.shadow,
        criteria=judged,
    )


def decide_over(
    reader: Reader, scope: Scope, criteria: Criteria, *, last_seconds: float | None = None
) -> Decision:
    """The decision over a scope, and over its last stretch too where `last_seconds` says so.

    Raises:
        StoreError: the store could not be read.
        MissingExtraError: numpy or scipy is not installed.

    """
    whole = analyse(reader, scope, confidence=criteria.confidence)
    if last_seconds is None:
        return decide(whole, criteria)
    end_us = scope.until_us or time.time() * 1e6
    since_us = max(int(end_us - last_seconds * 1e6), scope.since_us or 0)
    recent = msgspec.structs.replace(scope, since_us=since_us)
    return decide(whole, criteria, analyse(reader, recent, confidence=criteria.confidence))


def overall(criteria: Iterable[Criterion]) -> Word:
    """The verdict of all criteria together: one that fails holds the shadow, whatever is still open."""
    statuses = {criterion.status for criterion in criteria}
    if "fail" in statuses:
        return "hold"
    return "not enough data" if "unknown" in statuses else "promote"


def _sentence(verdict: Word, shadow: str, criteria: tuple[Criterion, ...]) -> str:
    if verdict == "promote":
        return f"Promote {shadow}: all {len(criteria)} criteria hold."
    wanted: Status = "fail" if verdict == "hold" else "unknown"
    reasons = " ".join(criterion.sentence for criterion in criteria if criterion.status == wanted)
    head = f"Hold {shadow}." if verdict == "hold" else f"Not enough data to decide on {shadow}."
    return f"{head} {reasons}"
