"""Rows as lines: JSON, and CSV that a spreadsheet does not run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

#: A text that begins so is a formula to a spreadsheet (OWASP, "CSV Injection"), unless it is a number.
FORMULA = r"^[=+\-@\t\r\n]"
NUMBER = r"^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"
#: A writer quotes what holds a character of its line ends, and a lone CR has to be quoted.
_LINE_END = "\r\n"
_FORMULA, _NUMBER = re.compile(FORMULA), re.compile(NUMBER, re.ASCII)


def as_json(row: Mapping[str, Any]) -> str:
    """A row as one line of JSON."""
    return msgspec.json.encode(row, enc_hook=str).decode("utf-8", "replace")


class CsvLines:
    """Rows of the same columns as lines of CSV (RFC 4180, with the line ends of Unix)."""

    def __init__(self, columns: Sequence[str], *, is_raw: bool = False) -> None:
        """Name the columns; with `is_raw` a text stays as it is, whatever a spreadsheet makes of it."""
        self._columns = columns
        self._is_raw = is_raw
        self._buffer = io.StringIO()
        self._writer = csv.writer(self._buffer, lineterminator=_LINE_END)

    def __repr__(self) -> str:
        """The columns."""
        return f"CsvLines({list(self._columns)!r})"

    def header(self) -> str:
        """The names of the columns."""
        return self._written(self._columns)

    def line(self, row: Mapping[str, Any]) -> str:
        """One row; lists and maps as JSON, a missing value as nothing."""
        return self._written([self._cell(row[name]) for name in self._columns])

    def _written(self, cells: Sequence[Any]) -> str:
        self._writer.writerow(cells)
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.removesuffix(_LINE_END) + "\n"

    def _cell(self, value: Any) -> Any:
        if isinstance(value, (list, dict, tuple)):
            value = msgspec.json.encode(value, enc_hook=str).decode()
        elif isinstance(value, bool):
            value = "true" if value else "false"
        return unarmed(value) if isinstance(value, str) and not self._is_raw else value


def unarmed(text: str) -> str:
    """A text with an apostrophe in front where a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
