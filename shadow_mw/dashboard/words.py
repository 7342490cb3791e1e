"""Words: how numbers, moments and strange text are written on a page."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone

NOTHING = "\N{EN DASH}"
#: A number and its unit stay on one line.
_GAP = "\u00a0"
_MINUS, _TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
_LONG = 1.0
_SHORT = 1e-3
#: Characters that change how their neighbours are shown, or are not shown at all: controls, marks and
#: overrides of direction, zero-width ones, lone surrogates.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def percent(rate: float | None) -> str:
    """A share as per cent; never rounded to a whole that it is not."""
    if rate is None:
        return NOTHING
    for digits in (2, 3, 4):
        text = f"{100 * rate:.{digits}f}"
        if float(text) not in (0.0, 100.0) or rate in (0.0, 1.0):
            return f"{text}{_GAP}%"
    return f"<0.0001{_GAP}%" if rate < 0.5 else f">99.9999{_GAP}%"


def limit(rate: float) -> str:
    """A limit as per cent, as it was written."""
    return f"{100 * rate:.6g}{_GAP}%"


def points(difference: float | None) -> str:
    """A difference of two shares, in percentage points with its sign."""
    if difference is None or not math.isfinite(difference):
        return _unbounded(difference)
    return f"{100 * difference:+.2f}{_GAP}points".replace("-", _MINUS)


def duration(seconds: float | None) -> str:
    """A duration with three digits in the unit that suits it."""
    if seconds is None or not math.isfinite(seconds):
        return _unbounded(seconds)
    size = abs(seconds)
    sign = _MINUS if seconds < 0 else ""
    if size >= _LONG:
        return f"{sign}{size:.2f}{_GAP}s" if size < 1000 else f"{sign}{size:,.0f}{_GAP}s"
    if size >= _SHORT:
        return f"{sign}{_digits(size * 1e3)}{_GAP}ms"
    return f"{sign}{size * 1e6:.0f}{_GAP}µs"


def signed(seconds: float | None) -> str:
    """A difference of durations, with its sign."""
    return f"+{duration(seconds)}" if seconds is not None and 0 < seconds < math.inf else duration(seconds)


def microseconds(us: float | None) -> str:
    """A duration that is given in microseconds."""
    return NOTHING if us is None else duration(us / 1e6)


def counted(n: float | None) -> str:
    """A whole number with its thousands apart."""
    return NOTHING if n is None else f"{n:,.0f}"


def times(ratio: float | None) -> str:
    """How many times as much."""
    return _unbounded(ratio) if ratio is None or not math.isfinite(ratio) else f"{ratio:.2f}{_TIMES}"


def plain(value: float | None) -> str:
    """A number in a unit of its own, with four digits."""
    return _unbounded(value) if value is None or not math.isfinite(value) else f"{value:.4g}"


def ago(seconds: float) -> str:
    """A stretch of time, in one unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def moment(us: int | None) -> str:
    """A moment in UTC, for a person; what lies outside of the calendar is nothing."""
    found = _datetime(us)
    return NOTHING if found is None else found.strftime("%Y-%m-%d %H:%M:%S")


def iso(us: int | None) -> str:
    """A moment in UTC, for `<time datetime>`."""
    found = _datetime(us)
    return "" if found is None else found.strftime("%Y-%m-%dT%H:%M:%SZ")


def visible(text: object) -> str:
    r"""Text in which nothing hides: controls and marks of direction stand as `\u202e`."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text))


def _datetime(us: int | None) -> datetime | None:
    if us is None:
        return None
    try:
        return datetime.fromtimestamp(us / 1e6, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None


def _unbounded(value: float | None) -> str:
    """What stands where there is no number, or where a bound is not known."""
    if value is None or math.isnan(value):
        return NOTHING
    return "∞" if value > 0 else f"{_MINUS}∞"


def _digits(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
