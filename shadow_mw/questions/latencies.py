"""How long both sides took, over the exchanges that both answered."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from shadow_mw.protocols import Dialect, Reader
from shadow_mw.questions.conditions import BOTH_ANSWERED, Condition, comparisons_in, every, sampled
from shadow_mw.scope import Scope

BIN_RATIO = 1.01
"""Each bin ends 1 % above its beginning."""


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """Histograms of both sides in bins of 1 %: bin = floor(ln(us) / ln(1.01)), us at least 1. Immutable."""

    production: Mapping[int, int]
    """How many exchanges fell into each bin."""
    shadow: Mapping[int, int]


def bin_us(bin_: int) -> float:
    """The middle of a bin in microseconds, by the geometric mean of its ends."""
    return BIN_RATIO ** (bin_ + 0.5) if bin_ else 1.0


def bin_of(microseconds: int) -> int:
    """The bin of a duration."""
    return math.floor(math.log(max(microseconds, 1)) / math.log(BIN_RATIO))


def latencies(reader: Reader, scope: Scope) -> Latencies:
    """The histograms of both sides."""
    where = comparisons_in(scope) & BOTH_ANSWERED
    rows = reader.rows(histograms(reader.dialect, where, "0"), where.parameters * 2)
    sides = {side: {row["bin"]: row["n"] for row in rows if row["side"] == side} for side in _SIDES}
    return Latencies(**sides)


def latency_pairs(reader: Reader, scope: Scope, limit: int = 20_000) -> list[tuple[int, int]]:
    """About `limit` pairs of (production, shadow) in microseconds, or all where there are fewer.

    Every m-th microsecond of the time of the request is taken, so that no kind of exchange is preferred.
    """
    where = comparisons_in(scope) & BOTH_ANSWERED
    where = sampled(where, every(reader, "comparisons", where, limit))
    rows = reader.rows(
        f"SELECT production_us, shadow_us FROM comparisons WHERE {where.sql} ORDER BY ts_us, record_id",  # noqa: S608 - no user's text
        where.parameters,
    )
    return [(row["production_us"], row["shadow_us"]) for row in rows]


_SIDES = ("production", "shadow")


def histograms(dialect: Dialect, where: Condition, start: str) -> str:
    """The SQL of both histograms for each `start`; it takes the condition's parameters twice."""
    return " UNION ALL ".join(
        f"SELECT '{side}' AS side, {start} AS start_us, {dialect.log_bin(side + '_us')} AS bin, "  # noqa: S608 - no user's text
        f"count(*) AS n FROM comparisons WHERE {where.sql} GROUP BY 1, 2, 3"
        for side in _SIDES
    )
