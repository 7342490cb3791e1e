"""The WSGI environ: what it says of a request (PEP 3333, section "environ Variables")."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from shadow_mw.wire import address_of, quoted_path

Environ = Mapping[str, Any]

_OWN_NAMES = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
#: Some gateways set these beside the variables without the prefix.
_REPEATED = frozenset(f"HTTP_{name}" for name in _OWN_NAMES)


def path_of(environ: Environ) -> str:
    """The decoded path as the app's own routes see it, without the prefix it is mounted under."""
    path: str = environ.get("PATH_INFO", "")
    return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")


def raw_path_of(environ: Environ) -> str:
    """The percent-encoded path, without the prefix: the caller's own spelling where the server tells it.

    What the server tells is taken only while it still means `PATH_INFO`, which a middleware may have changed.
    """
    decoded = environ.get("PATH_INFO", "").encode("latin-1")
    raw = _spelled(environ).removeprefix(quoted_path(environ.get("SCRIPT_NAME", "").encode("latin-1")))
    return raw if raw and unquote_to_bytes(raw) == decoded else quoted_path(decoded)


def own_address_of(environ: Environ) -> str:
    """Where the server that called us can be asked, with the app's prefix; empty where it doesn't tell."""
    port = environ.get("SERVER_PORT", "")
    prefix = quoted_path(environ.get("SCRIPT_NAME", "").encode("latin-1"))
    known_port = int(port) if port.isdigit() else None
    return address_of(environ.get("wsgi.url_scheme", "http"), environ.get("SERVER_NAME"), known_port, prefix)


def headers_of(environ: Environ) -> list[tuple[bytes, bytes]]:
    """The request's headers, names in lower case; the server has joined repeated ones."""
    named = [
        (_header_name(key), value.encode("latin-1"))
        for key, value in environ.items()
        if key[:5] == "HTTP_" and key not in _REPEATED
    ]
    own = [(name, environ[key].encode("latin-1")) for key, name in _OWN_NAMES.items() if environ.get(key)]
    return named + own


def declares_length(environ: Environ) -> bool:
    """True when the request says how long its body is; otherwise only the end of the input tells."""
    return str(environ.get("CONTENT_LENGTH") or "").isdigit() and "HTTP_TRANSFER_ENCODING" not in environ


def has_no_framing(environ: Environ) -> bool:
    """True when nothing speaks of a body over HTTP/1, where one needs a word (RFC 9112, section 6.3)."""
    if environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ:
        return False
    return str(environ.get("SERVER_PROTOCOL", "")).startswith("HTTP/1")


def _spelled(environ: Environ) -> str:
    uri: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if not uri.startswith("/"):
        uri = "/" + uri.partition("://")[2].partition("/")[2]  # the absolute form, as proxies send it
    return uri.partition("?")[0]


@lru_cache(maxsize=1024)
def _header_name(key: str) -> bytes:
    return key[5:].replace("_", "-").lower().encode("latin-1")
