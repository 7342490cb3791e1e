"""Moments and durations as a person writes them on a command line."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timezone

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LONGEST_SECONDS = 100 * 366 * 86400
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def duration(text: str) -> float:
    """A duration such as `30m`, `24h` or `7d` in seconds; for argparse.

    Raises:
        argparse.ArgumentTypeError: it is none.

    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 90s, 30m, 24h, 7d or 2w")
    return seconds


def moment_us(text: str) -> int:
    """A moment such as `2026-11-22` or `2026-11-22T14:30` (UTC unless it says otherwise), or a duration ago.

    In microseconds of Unix time; for argparse.

    Raises:
        argparse.ArgumentTypeError: it is neither.

    """
    if _DURATION.fullmatch(text.strip()):
        return int((datetime.now(timezone.utc).timestamp() - duration(text)) * 1e6)
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no moment: write 2026-11-22, 2026-11-22T14:30 (UTC), or 24h for a day ago"
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp() * 1e6)
