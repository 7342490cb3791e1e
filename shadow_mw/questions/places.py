"""Where and how the predictions differ: paths, pairs of labels, pairs of scores."""

from __future__ import annotations

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import JUDGED, comparisons_in, every, sampled
from shadow_mw.scope import Scope

_PATHS = """
SELECT path, count(*) AS n
FROM (SELECT {path} AS path FROM comparisons WHERE {where} AND verdict = 'disagree') AS differing
GROUP BY 1 ORDER BY n DESC, path LIMIT {limit}
"""
_LABELS = """
SELECT production_label, shadow_label, count(*) AS n
FROM comparisons
WHERE {where} AND production_label IS NOT NULL AND shadow_label IS NOT NULL
GROUP BY 1, 2 ORDER BY n DESC, production_label, shadow_label LIMIT {limit}
"""
_SCORES = """
SELECT production_score, shadow_score FROM comparisons WHERE {where} ORDER BY ts_us, record_id
"""


class PathCount(msgspec.Struct, frozen=True, kw_only=True):
    """A place inside the prediction, and how many disagreements differ there. Immutable."""

    path: str
    n: int


class LabelPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two labels that stood against each other, and how often; the same twice where they agree. Immutable."""

    production_label: str
    shadow_label: str
    n: int


def paths(reader: Reader, scope: Scope, limit: int = 20) -> tuple[PathCount, ...]:
    """The places that differ most often, at most `limit`."""
    where = comparisons_in(scope)
    sql = _PATHS.format(path=reader.dialect.each("diff_paths"), where=where.sql, limit=int(limit))
    return tuple(PathCount(**row) for row in reader.rows(sql, where.parameters))


def label_pairs(reader: Reader, scope: Scope, limit: int = 400) -> tuple[LabelPair, ...]:
    """The most frequent pairs of labels, agreements too, at most `limit`."""
    where = comparisons_in(scope) & JUDGED
    sql = _LABELS.format(where=where.sql, limit=int(limit))
    return tuple(LabelPair(**row) for row in reader.rows(sql, where.parameters))


def score_pairs(reader: Reader, scope: Scope, limit: int = 20_000) -> list[tuple[float, float]]:
    """About `limit` pairs of (production, shadow) scores, taken as `latency_pairs` takes its own."""
    where = comparisons_in(scope) & "production_score IS NOT NULL AND shadow_score IS NOT NULL"
    where = sampled(where, every(reader, "comparisons", where, limit))
    rows = reader.rows(_SCORES.format(where=where.sql), where.parameters)
    return [(row["production_score"], row["shadow_score"]) for row in rows]
