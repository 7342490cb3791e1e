"""Targets: where a shadow is."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from urllib.parse import urlsplit

import msgspec

from shadow_mw.exceptions import SettingsError

#: The URL of production itself.
SELF = "self"
#: Where clouds hand out credentials to whoever asks from inside; no model is served there.
_FORBIDDEN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_PYTHON = re.compile(rf"python:{_DOTTED}:{_DOTTED}\Z")


class Target(msgspec.Struct, frozen=True):
    """One shadow's name and address. Immutable.

    Without a path the URL takes production's path; with one, that very path is asked. A callable in Python
    is written `python:module:attribute`.
    """

    name: str
    url: str

    def __str__(self) -> str:
        """The target as it is written in `SHADOW_TARGETS`."""
        return f"{self.name}={self.url}"

    def asked_url(self, path: str, address: str = "") -> str:
        """The URL that a request for `path` is mirrored to, without its query; `address` is production's."""
        if self.is_self:
            return address + path
        return self.url if self.has_path else self.url.rstrip("/") + path

    @property
    def is_self(self) -> bool:
        """True for production itself, asked once more."""
        return self.url == SELF

    @property
    def is_python(self) -> bool:
        """True for a callable in Python."""
        return self.url.startswith("python:")

    @property
    def has_path(self) -> bool:
        """True when the URL names the path to ask, whatever the request's is."""
        return urlsplit(self.url).path not in ("", "/")


def parse_target(text: str) -> Target:
    """A target from `URL`, `name=URL` or `name=python:module:attribute`; an unnamed one is called `shadow`.

    Raises:
        SettingsError: the text is no target; the message says why.

    """
    name, separator, url = text.strip().partition("=")
    if not separator or "://" in name:
        name, url = "shadow", text.strip()
    url = url.strip()
    return Target(checked_name(name), _checked_python(url) if url.startswith("python:") else _checked(url))


def checked_name(name: object) -> str:
    """The name itself.

    Raises:
        SettingsError: it can't be that of a shadow.

    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise SettingsError(f"{name!r} is not a name of a shadow: use 1 to 64 of A-Z a-z 0-9 . _ -")
    return name


def is_forbidden(address: str) -> bool:
    """True for a numeric address that no shadow can have: link-local, or a cloud's metadata service."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found.sixtofour or _behind_nat64(found) or found
    return any(found in network for network in _FORBIDDEN)


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _numeric(host: str) -> str:
    """The address that a host's text is, as in `2852039166`; empty for a name."""
    try:
        return host if ":" in host else socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return ""


def _checked_python(url: str) -> str:
    if not _PYTHON.match(url):
        raise SettingsError(
            f"{url!r} is not a target: write python:module:attribute, as in python:models:predict"
        )
    if os.name != "posix":
        raise SettingsError(
            f"{url!r} needs POSIX: give the callable in code, as in ShadowMiddleware(app, shadow=f)"
        )
    return url


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"{url!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"{url!r} is not a target: write http://host:port, https://host or python:module:attribute"
        )
    if port == 0:
        raise SettingsError(f"{url!r} has port 0: name the port that the shadow listens on")
    address = _numeric(parts.hostname)
    if address and is_forbidden(address):
        raise SettingsError(f"{url!r} is an address where clouds keep credentials, and not a shadow's")
    if parts.username or parts.password:
        raise SettingsError("a target must not carry credentials: they would end up in spans and logs")
    if parts.query or parts.fragment:
        raise SettingsError(f"{url!r} has a query or fragment: each request brings its own")
    return url
