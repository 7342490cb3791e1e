"""Retry-After: how long a server asks to be left alone (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from datetime import timezone
from email.utils import parsedate_to_datetime

_ASKING = (429, 503)


def pause_seconds(status: int, headers: tuple[tuple[bytes, bytes], ...], now: float) -> float:
    """For how many seconds an answer asks to be left alone, from `now` in Unix time; 0.0 where it does not.

    Seconds and dates are understood; what is neither asks for nothing.
    """
    if status not in _ASKING:
        return 0.0
    text = next((value for name, value in headers if name == b"retry-after"), b"").decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # three years will do, and no more digits are a number of seconds
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return 0.0
    # A date without a zone is GMT here, as all that HTTP allows are.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return max(aware.timestamp() - now, 0.0)
