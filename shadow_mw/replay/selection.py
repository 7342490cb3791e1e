"""What is replayed."""

from __future__ import annotations

import msgspec


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which recorded exchanges, and how fast. Immutable."""

    source: str
    """A store, or `kafka://…`."""
    shadow: str | None = None
    """Of a store: whose records; None for the only one's."""
    route: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    where: str = ""
    """Of a store: SQL over `comparisons`. Of a topic: JMESPath that must find something in the features."""
    limit: int | None = None
    rate: float | None = None
    """Exchanges a second at most; None for as fast as the shadow answers."""
