"""Agreement by segment of the features."""

from __future__ import annotations

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import comparisons_in, every, sampled
from shadow_mw.scope import Scope

_SEGMENTS = """
SELECT segment_key, segment_value,
    count(*) FILTER (WHERE verdict = 'agree') AS agree,
    count(*) FILTER (WHERE verdict = 'disagree') AS disagree
FROM (
    SELECT {key} AS segment_key, {value} AS segment_value, verdict FROM comparisons WHERE {agree}
    UNION ALL
    SELECT {key} AS segment_key, {value} AS segment_value, verdict FROM comparisons WHERE {disagree}
) AS marked
GROUP BY 1, 2 ORDER BY 1, 2
"""


class SegmentCount(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts where a feature had one value. Immutable."""

    key: str
    value: str
    agree: int
    """Counted on every `sampling`-th agreement and multiplied, so exact where `sampling` is 1."""
    disagree: int
    """Always exact."""
    sampling: int


def segments(reader: Reader, scope: Scope, agreements: int = 200_000) -> tuple[SegmentCount, ...]:
    """The verdicts of every segment, ordered by key and value.

    All disagreements are counted, and of the agreements about as many as `agreements` says.
    """
    agree = comparisons_in(scope) & "verdict = 'agree'"
    disagree = comparisons_in(scope) & "verdict = 'disagree'"
    sampling = every(reader, "comparisons", agree, agreements)
    sql = _SEGMENTS.format(
        key=reader.dialect.each_key("segments"),
        value=reader.dialect.each_value("segments"),
        agree=sampled(agree, sampling).sql,
        disagree=disagree.sql,
    )
    return tuple(
        SegmentCount(
            key=row["segment_key"],
            value=row["segment_value"],
            agree=row["agree"] * sampling,
            disagree=row["disagree"],
            sampling=sampling,
        )
        for row in reader.rows(sql, agree.parameters + disagree.parameters)
    )
