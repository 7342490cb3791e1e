"""Health: what a look at a store found."""

from __future__ import annotations

from typing import Literal

import msgspec


class Health(msgspec.Struct, frozen=True):
    """One thing that was looked at. Immutable."""

    state: Literal["ok", "note", "harm", "mended"]
    """`note` may stay as it is, `harm` may not, `mended` was one of the two until now."""
    sentence: str
    mend: str = ""
    """What to do about it, for a person; empty where there is nothing to do."""

    def __str__(self) -> str:
        """One line: the state, then the sentences."""
        return f"{self.state:<6}  {self.sentence}" + (f": {self.mend}" if self.mend else "")


def readable_size(size_bytes: float) -> str:
    """A size as a person reads it, as in `1.5 GiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} bytes" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"
