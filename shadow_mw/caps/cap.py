"""One cap, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Cap(msgspec.Struct, frozen=True):
    """One cap on a process of ours, and whether it holds. Immutable."""

    name: str
    holds: bool
    how: str
    """What keeps it; or why nothing does, and what would."""
    is_wanted: bool = False
    """A setting asks for it, so that who set it has to be told where it does not hold."""

    def __str__(self) -> str:
        """One line."""
        return f"{self.name} {'holds' if self.holds else 'does not hold'}: {self.how}"


def sentence(caps: Sequence[Cap]) -> str:
    """All of them on one line."""
    return "; ".join(map(str, caps))
