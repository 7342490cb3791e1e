"""The noise floor: where the shadow differs from production, and production's own twin does not."""

from __future__ import annotations

from collections import Counter

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import comparisons_in
from shadow_mw.scope import Scope

#: Grouped by what differs on both sides, which takes few different values: the join is made once.
_PAIRS = """
SELECT s.verdict AS shadow_verdict, c.verdict AS control_verdict,
    s.diff_paths AS shadow_paths, c.diff_paths AS control_paths, count(*) AS n
FROM comparisons AS s
JOIN comparisons AS c ON c.ts_us = s.ts_us AND c.request_id = s.request_id AND c.route = s.route
WHERE {where} AND s.verdict IN ('agree', 'disagree')
    AND c.role = 'control' AND c.verdict IN ('agree', 'disagree')
GROUP BY 1, 2, 3, 4
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
    verdicts: Counter[tuple[str, str]] = Counter()
    places: Counter[tuple[str, bool, bool]] = Counter()
    for row in reader.rows(_PAIRS.format(where=where.sql), where.parameters):
        verdicts[row["shadow_verdict"], row["control_verdict"]] += row["n"]
        shadow, control = set(row["shadow_paths"] or ()), set(row["control_paths"] or ())
        for path in shadow | control:
            places[path, path in shadow, path in control] += row["n"]
    return _noise(verdicts, places)


def _noise(verdicts: Counter[tuple[str, str]], places: Counter[tuple[str, bool, bool]]) -> Noise:
    pairs = verdicts.total()
    control_only, both = verdicts["agree", "disagree"], verdicts["disagree", "disagree"]
    paths = [
        PathNoise(
            path=path,
            shadow_only=places[path, True, False],
            control_only=places[path, False, True],
            both=places[path, True, True],
            pairs=pairs,
        )
        for path in {path for path, _, _ in places}
    ]
    return Noise(
        pairs=pairs,
        shadow_only=verdicts["disagree", "agree"],
        control_only=control_only,
        both=both,
        control_agree=pairs - control_only - both,
        control_disagree=control_only + both,
        paths=tuple(sorted(paths, key=lambda one: (-one.shadow_only, one.path))),
    )
