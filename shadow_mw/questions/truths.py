"""Right answers that were told later, against both predictions."""

from __future__ import annotations

import msgspec

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import comparisons_in
from shadow_mw.scope import Scope

#: The latest truth of each request counts.
_LATEST = """
SELECT told.request_id AS told_id, told.truth AS truth, told.value AS right_value
FROM (
    SELECT request_id, truth, value,
        row_number() OVER (PARTITION BY request_id ORDER BY ts_us DESC, truth DESC) AS place
    FROM truths
) AS told WHERE told.place = 1
"""
_LABELS = """
SELECT t.truth AS truth, s.production_label AS production_label, s.shadow_label AS shadow_label, count(*) AS n
FROM comparisons AS s JOIN ({latest}) AS t ON t.told_id = s.request_id
WHERE {where} AND s.production_label IS NOT NULL AND s.shadow_label IS NOT NULL AND {comparable}
GROUP BY 1, 2, 3 ORDER BY n DESC, 1, 2, 3
"""
#: A label that is masked says nothing, and one that is hashed something only to a truth that is.
_COMPARABLE = """
s.production_label <> '[redacted]' AND s.shadow_label <> '[redacted]'
AND (s.production_label LIKE 'hmac:%') = (t.truth LIKE 'hmac:%')
AND (s.shadow_label LIKE 'hmac:%') = (t.truth LIKE 'hmac:%')
""".strip()
_ERRORS = """
SELECT count(*) AS n,
    sum(production_error) AS production_absolute, sum(shadow_error) AS shadow_absolute,
    sum(production_error * production_error) AS production_squared,
    sum(shadow_error * shadow_error) AS shadow_squared,
    sum(shadow_error - production_error) AS difference,
    sum((shadow_error - production_error) * (shadow_error - production_error)) AS difference_squared
FROM (
    SELECT abs(s.production_score - t.right_value) AS production_error,
        abs(s.shadow_score - t.right_value) AS shadow_error
    FROM comparisons AS s JOIN ({latest}) AS t ON t.told_id = s.request_id
    WHERE {where} AND t.right_value IS NOT NULL
        AND s.production_score IS NOT NULL AND s.shadow_score IS NOT NULL AND s.production_label IS NULL
) AS errors
"""


class LabelTruth(msgspec.Struct, frozen=True, kw_only=True):
    """How often two labels stood where a third was right. Immutable."""

    truth: str
    production_label: str
    shadow_label: str
    n: int


class ScoreErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of the errors of both sides' scores against the right number. Immutable."""

    n: int
    production_absolute: float = 0.0
    """The sum of |production - truth|."""
    shadow_absolute: float = 0.0
    production_squared: float = 0.0
    """The sum of (production - truth) squared."""
    shadow_squared: float = 0.0
    difference: float = 0.0
    """The sum of |shadow - truth| - |production - truth|; positive where the shadow is worse."""
    difference_squared: float = 0.0
    """The sum of the squares of those differences, for the interval of their mean."""


def label_truths(reader: Reader, scope: Scope) -> tuple[LabelTruth, ...]:
    """The right labels with what both sides said, the most frequent first."""
    where = comparisons_in(scope, "s")
    sql = _LABELS.format(latest=_LATEST, where=where.sql, comparable=_COMPARABLE)
    return tuple(LabelTruth(**row) for row in reader.rows(sql, where.parameters))


def score_errors(reader: Reader, scope: Scope) -> ScoreErrors:
    """The errors of both sides over the exchanges with a right number and both scores.

    Where there are labels a score is a label's probability, so those are left out.
    """
    where = comparisons_in(scope, "s")
    (row,) = reader.rows(_ERRORS.format(latest=_LATEST, where=where.sql), where.parameters)
    return ScoreErrors(**row) if row["n"] else ScoreErrors(n=0)
