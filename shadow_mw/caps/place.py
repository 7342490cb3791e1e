"""The cgroup that a process is told to enter."""

from __future__ import annotations

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A cgroup to enter, and what it lacks. Immutable."""

    folder: str = ""
    """Its folder; empty where there is none."""
    trouble: str = "none was made"
    """Why there is none, or which of its caps do not hold."""
