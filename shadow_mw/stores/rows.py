"""Records as rows of values that any database takes, by the promises of `lines.encode`."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from shadow_mw.exceptions import StoreError
from shadow_mw.records import Record
from shadow_mw.stores.shapes import Field, Shape, fields


def row(record: Record) -> list[Any]:
    """The values of a record, in the order of its fields.

    NaN and the infinities become None, or the field's default where None is no value; lone surrogates and
    NUL, which PostgreSQL has not, become U+FFFD.

    Raises:
        StoreError: a value cannot be made what its field is.

    """
    kind = type(record)
    try:
        return [
            field.default if (clean := _clean(field, value)) is None else clean
            for field, value in zip(fields(kind), attrgetter(*kind.__struct_fields__)(record), strict=True)
        ]
    except (TypeError, ValueError) as error:
        raise StoreError(f"a record cannot be made a row: {error}") from error


def _clean(field: Field, value: Any) -> Any:
    return None if value is None else _CLEANERS[field.shape](value)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def _count(value: Any) -> int:
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{number} has more than 64 bits")
    return number


def _number(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _texts(values: Any) -> list[str]:
    return [_text(value) for value in values]


def _words(entries: Any) -> dict[str, str]:
    return {_text(key): _text(value) for key, value in entries.items()}


def _counts(entries: Any) -> dict[str, int]:
    return {_text(key): _count(value) for key, value in entries.items()}


_CLEANERS: dict[Shape, Callable[[Any], Any]] = {
    "text": _text,
    "word": _text,
    "flag": bool,
    "count": _count,
    "number": _number,
    "texts": _texts,
    "words": _words,
    "counts": _counts,
}
