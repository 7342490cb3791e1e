"""What one check found."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    is_ok: bool
    sentence: str

    def __str__(self) -> str:
        """One line: `ok` or `FAIL`, then the sentence."""
        return f"{'ok  ' if self.is_ok else 'FAIL'} {self.sentence}"
