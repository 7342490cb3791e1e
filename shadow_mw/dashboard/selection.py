"""The selection: what a URL asks to see."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from urllib.parse import urlencode

import msgspec

from shadow_mw.scope import Scope

_MINUTE_US = 60_000_000
_HOUR_US = 60 * _MINUTE_US
_DAY_US = 24 * _HOUR_US

#: The stretches of time that can be picked, with their length; None is everything.
RANGES: dict[str, tuple[str, int | None]] = {
    "all": ("everything", None),
    "15m": ("last 15 minutes", 15 * _MINUTE_US),
    "1h": ("last hour", _HOUR_US),
    "6h": ("last 6 hours", 6 * _HOUR_US),
    "24h": ("last 24 hours", _DAY_US),
    "7d": ("last 7 days", 7 * _DAY_US),
    "30d": ("last 30 days", 30 * _DAY_US),
}
_LONGEST_NAME = 300


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What a URL asks to see. Immutable; equal selections are one entry of the cache."""

    shadow: str = ""
    """Empty for the first that there is."""
    route: str = ""
    """Empty for all routes together."""
    range: str = "all"
    since: str = ""
    """A moment in UTC as `<input type=datetime-local>` writes it; it wins over `range`, as `until` does."""
    until: str = ""

    @property
    def is_exact(self) -> bool:
        """True when begin or end were given as moments."""
        return bool(self.since or self.until)

    def scope(self, shadow: str, now_us: int) -> Scope:
        """The scope of this selection for a shadow."""
        since_us, until_us = _us(self.since), _us(self.until)
        length_us = None if self.is_exact else RANGES[self.range][1]
        if length_us is not None:
            # In steps, so that all who look within one share an answer.
            since_us = (now_us - length_us) // _MINUTE_US * _MINUTE_US
        return Scope(shadow=shadow, route=self.route or None, since_us=since_us, until_us=until_us)

    def query(self, **changes: str) -> str:
        """The selection as a query string, with some fields changed; empty fields are left out."""
        fields = msgspec.to_builtins(self) | changes
        return urlencode(
            {key: value for key, value in fields.items() if value and (key, value) != ("range", "all")}
        )


def read_selection(query: Mapping[str, str]) -> Selection:
    """The selection that a query string names; what it says of no sense is left out."""
    since, until = (query.get(name, "") for name in ("since", "until"))
    picked = query.get("range", "all")
    return Selection(
        shadow=query.get("shadow", "")[:_LONGEST_NAME],
        route=query.get("route", "")[:_LONGEST_NAME],
        range=picked if picked in RANGES else "all",
        since=since if _us(since) is not None else "",
        until=until if _us(until) is not None else "",
    )


def now_us() -> int:
    """Unix time in microseconds."""
    return time.time_ns() // 1000


def _us(text: str) -> int | None:
    try:
        found = datetime.fromisoformat(text.removesuffix("Z"))
        return int(found.replace(tzinfo=found.tzinfo or timezone.utc).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        return None
