"""Attribute values as an exporter takes them: plain types, valid UTF-8, capped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from shadow_mw.telemetry import names

Value: TypeAlias = str | bool | int | float

#: Tempo cuts attributes there.
MAX_BYTES = 2048

_PLAIN = (bool, int, float)
_PORTS = {"http": 80, "https": 443}


def plain(value: Any) -> Value:
    """A str, bool, int or float of the same value; numpy's scalars would turn into strings in the SDK."""
    if type(value) in _PLAIN:
        return value  # type: ignore[no-any-return] # mypy does not narrow by membership
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, str):
        return text(value)
    item = getattr(value, "item", None)
    scalar = item() if callable(item) and getattr(value, "ndim", None) == 0 else str(value)
    return plain(scalar if isinstance(scalar, bool | int | float) else str(scalar))


def text(value: str, characters: int = MAX_BYTES) -> str:
    """The text cut at so many characters and at 2,048 bytes of UTF-8, between characters.

    A lone surrogate, which JSON may carry, becomes `?`: protobuf refuses it and with it the whole batch.
    """
    if value.isascii():
        return value[: min(characters, MAX_BYTES)]
    encoded = value[:characters].encode("utf-8", "replace")
    return encoded[:MAX_BYTES].decode("utf-8", "ignore")


@lru_cache(maxsize=256)
def url_attributes(url: str) -> Mapping[str, Value]:
    """`url.full` without query, fragment and credentials, `server.address` and `server.port`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return {}
    if not host:
        return {names.URL_FULL: text(url.partition("?")[0])}
    address = parts.netloc.rpartition("@")[2]
    found: dict[str, Value] = {
        names.URL_FULL: text(f"{parts.scheme}://{address}{parts.path}"),
        names.SERVER_ADDRESS: text(host),
    }
    return {**found, names.SERVER_PORT: port} if port else found
