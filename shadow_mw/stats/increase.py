"""The increase of a rate on the same requests, valid however often one looks, from counts alone.

To refute an increase of d or more, one bets on each request that it will show less: the capital is
multiplied by 1 + x (d - s), where s is 1 if the shadow alone failed, -1 if production alone did, else 0. If
the increase is d or more that is a supermartingale for every stake x, and so is the mean over many stakes:
the capital ever grows to 1/alpha times the start with a probability of at most alpha. With x = u / (1 - d)
and u from 0 to 1 it can't become negative, and it grows with d, so that the smallest d that is refuted is
the upper bound. The lower bound is the same with both sides exchanged.

Source: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", Journal of
the Royal Statistical Society B 86 (2024).
"""

from __future__ import annotations

import math

from shadow_mw.stats.libraries import needs_scipy

_LOG_ODDS_OF_STAKES = (-8.0, 4.0, 50)
"""From, to, and how many: from what suits a tiny increase of frequent failures to no failure at all."""


@needs_scipy
def increase_bounds(
    shadow_only: int, production_only: int, asked: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Lower and upper bound of the shadow's rate minus production's, right at all looks together.

    Counts are requests on which one side alone failed (or disagreed, for a shadow and a control). The value
    between the bounds is (shadow_only - production_only) / asked, as in `error_increase`, whose interval is
    right for one look. Each bound by itself holds at `confidence`. From -1.0 to 1.0 without requests.

    Raises:
        ValueError: a count is negative, the two exceed `asked`, or `confidence` is not between 0 and 1.
        MissingExtraError: numpy or scipy is not installed.

    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    if min(shadow_only, production_only) < 0 or shadow_only + production_only > asked:
        raise ValueError(f"counts must be between 0 and {asked}, not {shadow_only} and {production_only}")
    wanted = -math.log1p(-confidence)
    return (
        -_upper_bound(production_only, shadow_only, asked, wanted),
        _upper_bound(shadow_only, production_only, asked, wanted),
    )


def _upper_bound(shadow_only: int, production_only: int, asked: int, wanted: float) -> float:
    """The smallest increase that a logarithm of capital of `wanted` refutes."""
    import numpy as np
    from scipy.optimize import brentq

    stakes = 1 / (1 + np.exp(-np.linspace(*_LOG_ODDS_OF_STAKES)))
    lost, same = shadow_only * np.log1p(-stakes), asked - shadow_only - production_only

    def lacking(increase: float) -> float:
        on_none = np.log1p(stakes * increase / (1 - increase))
        on_production = np.log1p(stakes * (1 + increase) / (1 - increase))
        capital = lost + production_only * on_production + same * on_none
        return float(np.logaddexp.reduce(capital)) - math.log(len(stakes)) - wanted

    # At the observed increase no stake has won, so the capital is at most what it was.
    observed, top = (shadow_only - production_only) / max(1, asked), 1 - 1e-12
    if observed >= top or lacking(top) < 0:
        return 1.0
    return float(brentq(lacking, observed, top, xtol=1e-13))
