"""What stands behind the method in a request line (RFC 9112 3.2.1): path and query."""

from __future__ import annotations

from urllib.parse import quote_from_bytes

#: Everything printable goes as it came, percent signs too; the rest is percent-encoded.
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>#')


def request_target(path: bytes, query: str) -> bytes:
    """Raw path and raw query as they may be sent; servers take more from clients than may be sent on."""
    target = path + b"?" + query.encode("latin-1") if query else path
    return quote_from_bytes(target or b"/", _SAFE).encode()
