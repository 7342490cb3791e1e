"""Accuracy: both sides against truths that came later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from shadow_mw.questions.truths import LabelTruth, ScoreErrors
from shadow_mw.stats.accuracy import PairedAccuracy, PairedError, paired_accuracy, paired_error


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """How right both sides were on the same requests; one of the two is None. Immutable."""

    labels: PairedAccuracy | None
    """For truths that are labels."""
    numbers: PairedError | None
    """For truths that are numbers: the mean absolute errors."""


def accuracy(counts: Iterable[LabelTruth], sums: ScoreErrors, confidence: float) -> Accuracy | None:
    """Both sides against the truths, or None where no truth is known."""
    table: Counter[tuple[bool, bool]] = Counter()
    for row in counts:
        table[row.production_label == row.truth, row.shadow_label == row.truth] += row.n
    labels = paired_accuracy(table, confidence) if table else None
    numbers = paired_error(sums, confidence) if sums.n else None
    return Accuracy(labels=labels, numbers=numbers) if labels or numbers else None
