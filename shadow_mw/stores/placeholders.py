"""Placeholders: `?` in our SQL, `%s` in that of most drivers."""

from __future__ import annotations

import re

_PIECES = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|%|\?")


def with_percent(sql: str) -> str:
    """The same SQL with `%s` for each `?` that stands outside quotes, and with its own `%` doubled."""
    return _PIECES.sub(_replaced, sql)


def _replaced(match: re.Match[str]) -> str:
    piece = match.group()
    return "%s" if piece == "?" else piece.replace("%", "%%")
