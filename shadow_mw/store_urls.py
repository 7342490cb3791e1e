"""Stores by name: a folder, or the URL of a server."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

#: The schemes of each kind of server, the one that we write first.
POSTGRES_SCHEMES = ("postgresql", "postgres")
CLICKHOUSE_SCHEMES = ("clickhouse", "clickhouses")
_SCHEMES = POSTGRES_SCHEMES + CLICKHOUSE_SCHEMES
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
#: To the last @, since a password may be written with characters that a URL forbids.
_CREDENTIALS = re.compile(r"(//[^:@/]*:)(.*)@", re.DOTALL)
_QUERY_PASSWORD = re.compile(r"(password=)([^&]*)", re.IGNORECASE)
_HIDDEN = "***"


def is_url(store: str) -> bool:
    """True for a server, false for a folder."""
    return bool(_URL.match(store))


def scheme(store: str) -> str:
    """The scheme of a store's URL; empty for a folder."""
    return store.partition("://")[0].lower() if is_url(store) else ""


def shown(store: str) -> str:
    """A store's name as it may be printed: a password in it is replaced by three stars."""
    if not is_url(store):
        return store
    return _QUERY_PASSWORD.sub(rf"\1{_HIDDEN}", _CREDENTIALS.sub(rf"\1{_HIDDEN}@", store))


def hidden(sentence: str, store: str) -> str:
    """A sentence of a library about a store, on one line and without the store's password."""
    line = " ".join(sentence.split())
    for secret in _secrets(store):
        line = line.replace(secret, _HIDDEN)
    return line


def checked_store(store: str) -> str:
    """A store that we know how to open.

    Raises:
        ValueError: it is a URL of another scheme, or an incomplete one.

    """
    if not is_url(store):
        return store
    if scheme(store) not in _SCHEMES:
        raise ValueError(
            f"{shown(store)!r} is no store: use a folder, none, postgresql://USER@HOST/DATABASE or "
            "clickhouse://USER@HOST/DATABASE"
        )
    try:
        _ = urlsplit(store).port
    except ValueError:
        raise ValueError(
            f"{shown(store)!r} has no valid port; write a character such as @, / or : in a password as "
            "%40, %2F or %3A"
        ) from None
    return store


def _secrets(store: str) -> list[str]:
    """The password in every form in which it may turn up, the longest first."""
    if not is_url(store):
        return []
    found = [raw for _, raw in _CREDENTIALS.findall(store) + _QUERY_PASSWORD.findall(store)]
    return sorted({form for raw in found for form in (raw, unquote(raw)) if form}, key=len, reverse=True)
