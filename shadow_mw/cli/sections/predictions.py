"""The predictions themselves: how labels and scores moved, and how right both sides were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw.cli.sections.numbers import between, decimal, estimated, probability, share
from shadow_mw.cli.sections.section import Row, Section
from shadow_mw.dashboard.words import counted, points
from shadow_mw.stats.drift import shift

if TYPE_CHECKING:
    from shadow_mw.analysis.accuracy import Accuracy
    from shadow_mw.analysis.analysis import Analysis

_LISTED = 5


def distribution(analysis: Analysis) -> Section | None:
    """Kappa, and how far the distributions lie apart."""
    found = analysis.distribution
    if found is None:
        return None
    rows = []
    if found.kappa.value is not None:
        interval = between(decimal(found.kappa.low), decimal(found.kappa.high))
        rows.append(Row(("Cohen's kappa of the labels", decimal(found.kappa.value), interval)))
    for name, psi in (("labels", found.label_psi), ("scores", found.score_psi)):
        if psi is not None:
            rows.append(Row((f"stability index (PSI) of the {name}", decimal(psi), shift(psi))))
    return Section(title="How the predictions are distributed", head=("", "", ""), rows=tuple(rows))


def changes(analysis: Analysis) -> Section | None:
    """The most frequent changes of label."""
    if analysis.distribution is None:
        return None
    rows = (
        Row((one.production, one.shadow, counted(one.count)))
        for one in analysis.distribution.changes[:_LISTED]
    )
    head = ("production says", "the shadow says", "times")
    return Section(title="Changes of label", head=head, rows=tuple(rows), texts=2)


def accuracy(analysis: Analysis) -> Section | None:
    """Both sides against the truths that came later."""
    found = analysis.accuracy
    if found is None:
        return None
    rows = [row for row in (_labels(found), _numbers(found)) if row is not None]
    head = ("", "production", "shadow", "shadow minus production")
    return Section(title="Against the truth", head=head, rows=tuple(rows), notes=_notes(found))


def _labels(found: Accuracy) -> Row | None:
    if found.labels is None:
        return None
    labels = found.labels
    cells = ("right", share(labels.production), share(labels.shadow), estimated(labels.difference, points))
    return Row(cells)


def _numbers(found: Accuracy) -> Row | None:
    if found.numbers is None:
        return None
    numbers = found.numbers
    difference = estimated(numbers.difference, decimal)
    return Row(("mean absolute error", decimal(numbers.production), decimal(numbers.shadow), difference))


def _notes(found: Accuracy) -> tuple[str, ...]:
    notes = []
    if found.labels is not None:
        p_value = probability(found.labels.p_value)
        notes.append(f"{counted(found.labels.n)} labels are known; McNemar's exact test: p {p_value}.")
    if found.numbers is not None:
        notes.append(f"{counted(found.numbers.n)} right numbers are known.")
    return tuple(notes)
