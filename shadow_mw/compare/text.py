"""Text that fits into a record."""

from __future__ import annotations

#: The longest label in a record.
MAX_LABEL_CHARS = 120


def fitted(text: str, max_chars: int) -> str:
    """The text, cut to `max_chars` and encodable as UTF-8: lone surrogates stand as escapes."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
