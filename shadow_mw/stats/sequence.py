"""Inference about a share that stays valid however often one looks, from counts alone.

For a share `q` that is to be refuted, the alternatives above it are mixed: the evidence against "the share
is at most q" is the likelihood under the mixture divided by the likelihood under q. Under every share up
to q that is a supermartingale which starts at 1, so that it ever reaches 1/alpha with a probability of at
most alpha (Ville 1939). The lower bound is the largest q that is refuted at 1/alpha; the upper bound is the
same with successes and failures exchanged. So a bound passes a threshold exactly when the test at that
threshold does, and what is shown can't contradict what is decided.

The mixture has the density p^(a-1), truncated to p > q, with a = 0.1: nearly uniform in the logarithm, so
that it suits shares near 0 and shares near 1. While the evidence exceeds e it falls as q grows, for every
a > 0: the log-likelihood is concave in ln p, so its slope there is at least ln(evidence) / ln(1/q), and the
truncation gives back at most 1 / ln(1/q).

Sources: H. Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of
Mathematical Statistics 41 (1970); R. Johari, L. Pekelis and D. Walsh, "Always valid inference" (2015,
Operations Research 70, 2022); S. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, "Time-uniform,
nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49 (2021).
"""

from __future__ import annotations

import math
from typing import Any, Literal

from shadow_mw.stats.libraries import needs_scipy

_SHAPE = 0.1
_FARTHEST_LOG_ODDS = 700.0
"""About as far as exp() reaches."""


def confidence_sequence(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided interval of a share, right at all looks together; everything without trials.

    Both ends are one-sided bounds at half the error (see `sequence_bounds`).

    Raises:
        ValueError: `successes` is not between 0 and `trials`, or `confidence` not between 0 and 1.
        MissingExtraError: scipy is not installed.

    """
    return sequence_bounds(successes, trials, (1 + _checked(confidence)) / 2)


@needs_scipy
def sequence_bounds(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of a share, each by itself right at all looks together.

    For a gate: `low >= threshold` exactly where `e_value(…, side="above") >= 1 / (1 - confidence)`, and
    `high <= threshold` for the other side. Exactly 0.0 without successes and 1.0 without failures. The
    crossing is unique from a confidence of 0.64 up.

    Raises:
        ValueError: `successes` is not between 0 and `trials`, or `confidence` not between 0 and 1.
        MissingExtraError: scipy is not installed.

    """
    wanted = -math.log1p(-_checked(confidence))
    failures = _failures(successes, trials)
    return _lower_bound(successes, failures, wanted), 1.0 - _lower_bound(failures, successes, wanted)


@needs_scipy
def e_value(successes: int, trials: int, threshold: float, *, side: Literal["above", "below"]) -> float:
    """The evidence that the share lies on one side of a threshold, from 0 up; 1.0 without trials.

    Where the share lies on the other side or at the threshold, it ever reaches 1/alpha with a probability
    of at most alpha, however often one looks. 1 / e_value, capped at 1, is an always valid p-value.

    Raises:
        ValueError: `successes` is not between 0 and `trials`, or `threshold` not between 0 and 1.
        MissingExtraError: scipy is not installed.

    """
    failures = _failures(successes, trials)
    if not 0.0 < threshold < 1.0:
        raise ValueError(f"threshold must be between 0 and 1, not {threshold}")
    if not trials:
        return 1.0
    log_odds = math.log(threshold) - math.log1p(-threshold)
    if side == "above":
        found = log_evidence_above(successes, failures, log_odds)
    else:
        found = log_evidence_above(failures, successes, -log_odds)
    return math.exp(min(float(found), _FARTHEST_LOG_ODDS))


def log_evidence_above(successes: Any, failures: Any, log_odds: float) -> Any:
    """The natural logarithm of the evidence above a share that is given by its log-odds.

    Counts are numbers or arrays, and so is the answer; -inf where it is too small for a float.
    """
    import numpy as np
    from scipy import special

    log_share, log_rest = -math.log1p(math.exp(-log_odds)), -math.log1p(math.exp(log_odds))
    shape, other = successes + _SHAPE, failures + 1
    # 1 minus the function of the share itself would lose a small tail.
    above = special.betainc(other, shape, math.exp(log_rest))
    with np.errstate(divide="ignore"):
        mixture = special.betaln(shape, other) + np.log(above)
    normaliser = math.log(-math.expm1(_SHAPE * log_share) / _SHAPE)
    return mixture - normaliser - successes * log_share - failures * log_rest


def _lower_bound(successes: int, failures: int, wanted: float) -> float:
    """The largest share that the evidence `wanted`, a logarithm, refutes from above."""
    from scipy.optimize import brentq

    if not successes:
        return 0.0
    # At the observed share no alternative fits better, so the evidence is at most 1.
    top = math.log(successes) - math.log(failures) if failures else math.log(successes) + wanted + 5.0
    found: float = brentq(
        lambda odds: float(log_evidence_above(successes, failures, odds)) - wanted,
        -_FARTHEST_LOG_ODDS,
        top,
        xtol=1e-12,
    )
    return 1.0 / (1.0 + math.exp(-found))


def _checked(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    return confidence


def _failures(successes: int, trials: int) -> int:
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be between 0 and {trials}, not {successes}")
    return trials - successes
