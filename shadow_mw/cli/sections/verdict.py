"""The criteria of the gate, and how each stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw.cli.sections.section import Row, Section

if TYPE_CHECKING:
    from shadow_mw.analysis.decision import Decision

MARKS = {"pass": "holds", "fail": "fails", "unknown": "open"}


def criteria(decision: Decision) -> Section:
    """A row a criterion, in the gate's order."""
    return Section(
        title="The gate",
        head=("criterion", "", "why"),
        rows=tuple(Row((one.name, MARKS[one.status], one.sentence), one.status) for one in decision.criteria),
        texts=3,
    )
