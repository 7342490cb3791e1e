"""The wire: what the head of a request or response says, whichever door it came in by."""

from __future__ import annotations

from urllib.parse import quote

#: The headers of a response that say how to read its body.
READING_HEADERS = (b"content-type", b"content-encoding")
#: Methods whose requests have no body by custom, where no header speaks of one.
BODYLESS_METHODS = ("GET", "HEAD", "DELETE", "OPTIONS")

_PATH_CHARACTERS = "/:@!$&'()*+,;=~"


def address_of(scheme: str, host: str | None, port: int | None, prefix: str) -> str:
    """The URL of a server with the percent-encoded prefix of an app in it; empty without host and port."""
    if not host or port is None:
        return ""
    return f"{scheme}://[{host}]:{port}{prefix}" if ":" in host else f"{scheme}://{host}:{port}{prefix}"


def quoted_path(path: str | bytes) -> str:
    """The path percent-encoded (RFC 3986, section 3.3), for servers that don't tell the raw one."""
    return quote(path, safe=_PATH_CHARACTERS)
