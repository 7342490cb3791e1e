"""Sections: what the report says of one shadow, as tables without a form.

- `section`: one table; `numbers`: how figures are written
- `verdict`: the criteria; `agreement`, `sides`: agreement, latencies and errors
- `predictions`: labels, scores, truths; `places`: segments and paths; `books`: routes and the closed books
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw.cli.sections import agreement, books, places, predictions, sides, verdict
from shadow_mw.cli.sections.section import Section

if TYPE_CHECKING:
    from shadow_mw.cli.reports import ShadowReport

__all__ = ["Section", "sections"]


def sections(report: ShadowReport) -> tuple[Section, ...]:
    """The tables on one shadow, without those that would be empty."""
    analysis = report.analysis
    found = (
        verdict.criteria(report.decision),
        agreement.agreement(analysis),
        sides.quantiles(analysis),
        sides.paired(analysis),
        sides.errors(analysis),
        sides.reasons(analysis),
        predictions.distribution(analysis),
        predictions.changes(analysis),
        predictions.accuracy(analysis),
        places.segments(analysis),
        places.paths(analysis),
        books.routes(analysis),
        books.buckets(analysis, report.held_back),
    )
    return tuple(section for section in found if section is not None and section.rows)
