"""Agreement of labels beyond chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

from shadow_mw.stats.estimate import Estimate


def kappa(confusion: Mapping[tuple[str, str], int], confidence: float = 0.95) -> Estimate:
    """Cohen's kappa of counted pairs of labels: 1.0 where all agree, 0.0 where only chance agrees.

    J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20
    (1960), with the large-sample interval of J. L. Fleiss, J. Cohen and B. S. Everitt, "Large sample
    standard errors of kappa and weighted kappa", Psychological Bulletin 72 (1969). That interval has no
    width where all labels agree. None without pairs and where both sides know one label only.

    Raises:
        ValueError: a count is negative, or `confidence` not between 0 and 1.

    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    if any(count < 0 for count in confusion.values()):
        raise ValueError("counts must not be negative")
    pairs = sum(confusion.values())
    rows, columns = _margins(confusion, pairs)
    by_chance = sum(share * columns[label] for label, share in rows.items())
    if not pairs or by_chance >= 1.0:
        return Estimate(value=None, low=-1.0, high=1.0, n=pairs)
    observed = sum(count for (first, second), count in confusion.items() if first == second) / pairs
    value = (observed - by_chance) / (1 - by_chance)
    spread = sum(count / pairs * _weight(labels, value, rows, columns) for labels, count in confusion.items())
    variance = max(0.0, spread - (value - by_chance * (1 - value)) ** 2) / pairs
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(variance) / (1 - by_chance)
    return Estimate(value=value, low=max(-1.0, value - half), high=min(1.0, value + half), n=pairs)


def _margins(
    confusion: Mapping[tuple[str, str], int], pairs: int
) -> tuple[dict[str, float], dict[str, float]]:
    """The share of each label on the first side and on the second."""
    labels = {label for pair in confusion for label in pair}
    rows, columns = dict.fromkeys(labels, 0), dict.fromkeys(labels, 0)
    for (first, second), count in confusion.items():
        rows[first] += count
        columns[second] += count
    return (
        {label: count / max(1, pairs) for label, count in rows.items()},
        {label: count / max(1, pairs) for label, count in columns.items()},
    )


def _weight(
    labels: tuple[str, str], value: float, rows: Mapping[str, float], columns: Mapping[str, float]
) -> float:
    """What a pair adds to the variance, by Fleiss, Cohen and Everitt's formula."""
    first, second = labels
    if first == second:
        return (1 - (rows[first] + columns[first]) * (1 - value)) ** 2
    return (1 - value) ** 2 * (columns[first] + rows[second]) ** 2
