"""How far the distribution of the shadow's predictions lies from production's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from shadow_mw.stats.libraries import needs_scipy

Bin = TypeVar("Bin", bound=Hashable)
Shift = Literal["stable", "moderate", "large"]

_EMPTY_BIN = 0.5
_MODERATE, _LARGE = 0.1, 0.25


def psi(production: Mapping[Bin, int], shadow: Mapping[Bin, int]) -> float | None:
    """The population stability index of counts by label: 0.0 where the shares are equal, no upper end.

    The sum of (a - b) ln(a / b) over the shares of both sides, as in N. Siddiqi, "Credit Risk Scorecards"
    (2006). Half a prediction is added to every bin of both sides, so that an empty one does not make it
    infinite. Expect about (bins - 1) (1/n + 1/m) by chance alone (B. Yurdakul and J. Naranjo, "Statistical
    properties of the population stability index", Journal of Risk Model Validation 14, 2020). None where
    one side has no predictions.
    """
    if not sum(production.values()) or not sum(shadow.values()):
        return None
    pairs = _shares(production, shadow, _EMPTY_BIN)
    return math.fsum((first - second) * math.log(first / second) for first, second in pairs)


def shift(index: float) -> Shift:
    """The usual reading of a population stability index: below 0.1, up to 0.25, above.

    The limits are a rule of thumb from credit scoring (E. M. Lewis, "An Introduction to Credit Scoring",
    1994; N. Siddiqi, 2006); no theory stands behind them.
    """
    if index < _MODERATE:
        return "stable"
    return "moderate" if index <= _LARGE else "large"


def jensen_shannon(production: Mapping[Bin, int], shadow: Mapping[Bin, int]) -> float | None:
    """The Jensen-Shannon distance of counts by label, from 0.0 (equal) to 1.0 (nothing in common).

    The square root of the divergence to base 2: J. Lin, "Divergence measures based on the Shannon entropy",
    IEEE Transactions on Information Theory 37 (1991); D. Endres and J. Schindelin, ibid. 49 (2003). None
    where one side has no predictions.
    """
    if not sum(production.values()) or not sum(shadow.values()):
        return None
    divergence = 0.0
    for first, second in _shares(production, shadow, 0.0):
        divergence += sum(
            share * math.log2(2 * share / (first + second)) / 2 for share in (first, second) if share
        )
    return math.sqrt(min(1.0, max(0.0, divergence)))


@needs_scipy
def score_psi(pairs: Sequence[tuple[float, float]], bins: int = 10) -> float | None:
    """The population stability index of (production, shadow) scores, in bins of production's quantiles.

    A score that alone fills a bin or more gets a bin of its own. Pairs with a NaN are left out. None without
    pairs.

    Raises:
        MissingExtraError: numpy is not installed.

    """
    import numpy as np

    production, shadow = _columns(pairs)
    if not len(production):
        return None
    inner = np.quantile(production, np.arange(1, bins) / bins, method="inverted_cdf")
    edges, times = np.unique(inner, return_counts=True)
    edges = np.unique(np.concatenate([edges, np.nextafter(edges[times > 1], np.inf)]))
    counts = [Counter(np.searchsorted(edges, side, side="right").tolist()) for side in (production, shadow)]
    return psi(*counts)


@needs_scipy
def ks(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The Kolmogorov-Smirnov distance of (production, shadow) scores: the largest gap between their shares.

    From 0.0 to 1.0. No p-value, since that takes the two samples for independent, and these are scores of the
    same requests. Pairs with a NaN are left out. None without pairs.

    Raises:
        MissingExtraError: numpy is not installed.

    """
    import numpy as np

    production, shadow = _columns(pairs)
    if not len(production):
        return None
    scores = np.concatenate([production, shadow])
    first, second = (np.searchsorted(np.sort(side), scores, side="right") for side in (production, shadow))
    return float(abs(first - second).max() / len(production))


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[Any, Any]:
    import numpy as np

    table = np.asarray(pairs, dtype=float).reshape(-1, 2)
    production, shadow = table[~np.isnan(table).any(axis=1)].T
    return production, shadow


def _shares(
    production: Mapping[Bin, int], shadow: Mapping[Bin, int], extra: float
) -> list[tuple[float, float]]:
    """The shares of both sides in every bin that either knows, `extra` added to each count."""
    bins = sorted(production.keys() | shadow.keys(), key=repr)
    first, second = (sum(side.values()) + extra * len(bins) for side in (production, shadow))
    return [((production.get(one, 0) + extra) / first, (shadow.get(one, 0) + extra) / second) for one in bins]
