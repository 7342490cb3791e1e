"""Figures as a person reads them: shares, times, counts, and text that a terminal can be trusted with."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timezone

from shadow_mw.stats import Estimate, Ratio

NONE = "-"


def share(rate: float | None) -> str:
    """A rate as a percentage; `100 %` and `0 %` only where it is exactly that."""
    if rate is None:
        return NONE
    if rate in (0.0, 1.0):
        return f"{100 * rate:.0f} %"
    if rate < 0.0005 or rate > 0.9995:
        return "<0.1 %" if rate < 0.5 else ">99.9 %"
    return f"{100 * rate:.1f} %"


def interval(ratio: Ratio) -> str:
    """A ratio with its interval, as in `95.0 % (86.3 % to 98.3 %)`."""
    if ratio.rate is None:
        return NONE
    return f"{share(ratio.rate)} ({share(ratio.low)} to {share(ratio.high)})"


def estimate(figure: Estimate, show: Callable[[float | None], str]) -> str:
    """A figure with its interval, each shown as `show` does; `unknown` where there is no value."""
    if figure.value is None:
        return "unknown"
    if math.isinf(figure.high):
        return f"{show(figure.value)} ({show(figure.low)} or more)"
    return f"{show(figure.value)} ({show(figure.low)} to {show(figure.high)})"


def precise(rate: float | None) -> str:
    """A rate as a percentage with two digits, for what stands near a limit."""
    return NONE if rate is None else f"{100 * rate:.2f} %"


def points(rate: float | None) -> str:
    """A difference of two rates in percentage points."""
    return NONE if rate is None else f"{100 * rate:.2f} points"


def times(ratio: float | None) -> str:
    """A ratio of two durations, as in `1.20 times`."""
    return NONE if ratio is None else f"{ratio:.2f} times"


def milliseconds(seconds: float | None) -> str:
    """A duration in milliseconds, with two digits or more."""
    if seconds is None:
        return NONE
    value = 1000 * seconds
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def counted(number: int, one: str) -> str:
    """A number with its noun: `1 failure`, `2 failures`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def moment(ts_us: int) -> str:
    """A time in UTC, to the second."""
    return f"{datetime.fromtimestamp(ts_us / 1e6, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def printable(text: str) -> str:
    """Text whose control characters are escaped, so that a prediction cannot steer the terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
