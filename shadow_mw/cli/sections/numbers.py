"""Numbers as the dashboard writes them, so that both show the same digits."""

from __future__ import annotations

from collections.abc import Callable

from shadow_mw.dashboard.words import NOTHING, percent
from shadow_mw.stats import Estimate, Ratio


def between(low: str, high: str) -> str:
    """An interval."""
    return f"{low} to {high}"


def estimated(figure: Estimate, show: Callable[[float | None], str]) -> str:
    """A figure with its interval; a dash where there is nothing to estimate from."""
    if figure.value is None:
        return NOTHING
    return f"{show(figure.value)} ({between(show(figure.low), show(figure.high))})"


def share(ratio: Ratio) -> str:
    """A share with its interval."""
    if ratio.rate is None:
        return NOTHING
    return f"{percent(ratio.rate)} ({between(percent(ratio.low), percent(ratio.high))})"


def decimal(value: float | None) -> str:
    """A plain number with three significant digits."""
    return NOTHING if value is None else f"{value:.3g}"


def probability(value: float | None) -> str:
    """A p-value."""
    if value is None:
        return NOTHING
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"
