"""How things went over time, in steps of a given length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import BOTH_ANSWERED, JUDGED, comparisons_in, tallies_in
from shadow_mw.questions.latencies import histograms
from shadow_mw.scope import Scope

_AGREEMENT = """
SELECT {start} AS start_us, count(*) FILTER (WHERE verdict = 'agree') AS agree,
    count(*) FILTER (WHERE verdict = 'disagree') AS disagree
FROM comparisons WHERE {where} GROUP BY 1 ORDER BY 1
"""
_TRAFFIC = """
SELECT start_us, word, CAST(sum(n) AS BIGINT) AS total
FROM (SELECT {start} AS start_us, {word} AS word, {n} AS n FROM tallies WHERE {where}) AS words
GROUP BY 1, 2 ORDER BY 1, 2
"""


class AgreementStep(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts of one step. Immutable."""

    start_us: int
    agree: int
    disagree: int


class LatencyStep(msgspec.Struct, frozen=True, kw_only=True):
    """The histograms of one step, in the bins of `latencies.Latencies`. Immutable."""

    start_us: int
    production: Mapping[int, int]
    shadow: Mapping[int, int]


class TrafficStep(msgspec.Struct, frozen=True, kw_only=True):
    """What the tallies of one step add up to. Immutable."""

    start_us: int
    eligible: int
    counts: Mapping[str, int]
    """Every word of the tallies, zeros left out: `eligible` too, the buckets, the skips, …"""


def agreement_over_time(reader: Reader, scope: Scope, step_us: int) -> tuple[AgreementStep, ...]:
    """The verdicts of each step that has some, the earliest first."""
    where = comparisons_in(scope) & JUDGED
    sql = _AGREEMENT.format(start=reader.dialect.step("ts_us", step_us), where=where.sql)
    return tuple(AgreementStep(**row) for row in reader.rows(sql, where.parameters))


def latency_over_time(reader: Reader, scope: Scope, step_us: int) -> tuple[LatencyStep, ...]:
    """Both histograms of each step in which both sides answered something, the earliest first."""
    where = comparisons_in(scope) & BOTH_ANSWERED
    sql = histograms(reader.dialect, where, reader.dialect.step("ts_us", step_us))
    steps: dict[int, dict[str, dict[int, int]]] = {}
    for row in reader.rows(sql, where.parameters * 2):
        step = steps.setdefault(row["start_us"], {"production": {}, "shadow": {}})
        step[row["side"]][row["bin"]] = row["n"]
    return tuple(LatencyStep(start_us=start, **steps[start]) for start in sorted(steps))


def traffic_over_time(reader: Reader, scope: Scope, step_us: int) -> tuple[TrafficStep, ...]:
    """The books of each step that has some; a tally belongs to the step in which its minute begins."""
    where, dialect = tallies_in(scope), reader.dialect
    sql = _TRAFFIC.format(
        start=dialect.step("ts_us", step_us),
        word=dialect.each_key("counts"),
        n=dialect.each_count("counts"),
        where=where.sql,
    )
    return _traffic(reader.rows(sql, where.parameters))


def _traffic(rows: list[dict[str, Any]]) -> tuple[TrafficStep, ...]:
    steps: dict[int, Counter[str]] = {}
    for row in rows:
        steps.setdefault(row["start_us"], Counter())[row["word"]] += row["total"]
    return tuple(
        TrafficStep(start_us=start, eligible=counts["eligible"], counts=counts)
        for start, counts in steps.items()
    )
