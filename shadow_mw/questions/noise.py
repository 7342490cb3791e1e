"""The noise floor: where the shadow differs from production, and production's own twin does not."""

from __future__ import annotations

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import comparisons_in
from shadow_mw.scope import Scope

_PAIRS = """
SELECT s.record_id AS pair, s.verdict AS shadow_verdict, c.verdict AS control_verdict,
    s.diff_paths AS shadow_paths, c.diff_paths AS control_paths
FROM comparisons AS s
JOIN comparisons AS c ON c.request_id = s.request_id AND c.ts_us = s.ts_us AND c.route = s.route
WHERE {where} AND s.verdict IN ('agree', 'disagree')
    AND c.role = 'control' AND c.verdict IN ('agree', 'disagree')
"""
_VERDICTS = """
SELECT count(*) AS pairs,
    count(*) FILTER (WHERE shadow_verdict = 'disagree' AND control_verdict = 'agree') AS shadow_only,
    count(*) FILTER (WHERE shadow_verdict = 'agree' AND control_verdict = 'disagree') AS control_only,
    count(*) FILTER (WHERE shadow_verdict = 'disagree' AND control_verdict = 'disagree') AS both_differ
FROM ({pairs}) AS pairs
"""
_PATHS = """
SELECT path,
    count(*) FILTER (WHERE in_shadow = 1 AND in_control = 0) AS shadow_only,
    count(*) FILTER (WHERE in_shadow = 0 AND in_control = 1) AS control_only,
    count(*) FILTER (WHERE in_shadow = 1 AND in_control = 1) AS both_differ
FROM (
    SELECT pair, path, max(of_shadow) AS in_shadow, max(of_control) AS in_control
    FROM (
        SELECT pair, {shadow_path} AS path, 1 AS of_shadow, 0 AS of_control FROM ({pairs}) AS pairs
        UNION ALL
        SELECT pair, {control_path} AS path, 0 AS of_shadow, 1 AS of_control FROM ({pairs}) AS pairs
    ) AS sides
    GROUP BY 1, 2
) AS places
GROUP BY 1 ORDER BY shadow_only DESC, path
"""


class PathNoise(msgspec.Struct, frozen=True, kw_only=True):
    """One place inside the prediction, over the exchanges that shadow and control were both judged on."""

    path: str
    shadow_only: int
    """The shadow differs from production there, and the control does not."""
    control_only: int
    both: int
    pairs: int
    """All such exchanges, those without a difference too."""


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """The shadow's differences against those of production's own twin. Immutable."""

    pairs: int
    """Exchanges on which both the shadow and the control were judged."""
    shadow_only: int
    """By verdict: the shadow disagrees, and the control does not."""
    control_only: int
    both: int
    control_agree: int
    control_disagree: int
    paths: tuple[PathNoise, ...]
    """Every place that differs on either side, the worst first."""


def noise(reader: Reader, scope: Scope) -> Noise:
    """The differences of a shadow beside those of the control; without a control `pairs` is 0."""
    where = comparisons_in(scope, "s")
    pairs = _PAIRS.format(where=where.sql)
    (row,) = reader.rows(_VERDICTS.format(pairs=pairs), where.parameters)
    both, disagree = row["both_differ"], row["control_only"] + row["both_differ"]
    return Noise(
        pairs=row["pairs"],
        shadow_only=row["shadow_only"],
        control_only=row["control_only"],
        both=both,
        control_agree=row["pairs"] - disagree,
        control_disagree=disagree,
        paths=_paths(reader, scope, row["pairs"]) if row["pairs"] else (),
    )


def _paths(reader: Reader, scope: Scope, pairs: int) -> tuple[PathNoise, ...]:
    where, each = comparisons_in(scope, "s"), reader.dialect.each
    sql = _PATHS.format(
        shadow_path=each("shadow_paths"),
        control_path=each("control_paths"),
        pairs=_PAIRS.format(where=where.sql),
    )
    return tuple(
        PathNoise(
            path=row["path"],
            shadow_only=row["shadow_only"],
            control_only=row["control_only"],
            both=row["both_differ"],
            pairs=pairs,
        )
        for row in reader.rows(sql, where.parameters * 2)
    )
