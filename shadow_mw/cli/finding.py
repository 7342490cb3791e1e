"""What one check found."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    is_ok: bool
    sentence: str
    is_note: bool = False
    """What is worth knowing, and no failure."""

    def __str__(self) -> str:
        """One line: `ok`, `note` or `FAIL`, then the sentence."""
        word = "note" if self.is_note else "ok"
        return f"{word if self.is_ok else 'FAIL':<4} {self.sentence}"
