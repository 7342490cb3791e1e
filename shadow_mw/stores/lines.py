"""Records as lines of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from shadow_mw.exceptions import StoreError
from shadow_mw.records import Comparison, Record

#: Longer lines are cut: DuckDB reads none over 16 MiB by default.
MAX_LINE_BYTES = 8 * 2**20

_PAYLOADS = {"features": "", "production_prediction": "", "shadow_prediction": ""}


def _plain(value: Any) -> Any:
    """What a comparator of the user's left in a record: numpy scalars become numbers, the rest text."""
    return value.item() if hasattr(value, "item") else str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def encode(batch: Sequence[Record]) -> bytes:
    """One line a record, each with its line feed.

    NaN and the infinities become null, since JSON has none; lone surrogates become U+FFFD; the payload texts
    of a record over 8 MiB are left out and `truncated` is set.

    Raises:
        StoreError: a record cannot be written as JSON.

    """
    try:
        data = _encoder.encode_lines(batch)
    except Exception:  # noqa: BLE001 - whatever is wrong, one odd record must not cost the batch
        return b"".join(map(_mended, batch))
    return data if len(data) <= MAX_LINE_BYTES else b"".join(map(_mended, batch))


def _mended(record: Record) -> bytes:
    """The line of a record that may be odd or too long."""
    try:
        fields = _without_surrogates(msgspec.to_builtins(record, enc_hook=_plain))
        line = _encoder.encode(fields)
        if len(line) > MAX_LINE_BYTES and isinstance(record, Comparison):
            line = _encoder.encode({**fields, **_PAYLOADS, "truncated": True})
    except Exception as error:
        raise StoreError(f"a record cannot be written as JSON: {error}") from error
    if len(line) > MAX_LINE_BYTES:
        raise StoreError(f"a record of {len(line)} bytes is too long for the store")
    return line + b"\n"


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in value]
    return value
