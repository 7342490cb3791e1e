"""Targets: where a shadow is."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

import msgspec

from shadow_mw.exceptions import SettingsError
from shadow_mw.networks import is_forbidden, numeric

#: The URL of production itself.
SELF = "self"
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
    def address(self) -> str:
        """The numeric address that the URL names in whatever way; empty where it names a host by name."""
        return numeric(urlsplit(self.url).hostname or "")

    @property
    def is_plain(self) -> bool:
        """True where what is sent can be read on the way."""
        return self.url.startswith("http://")

    def in_the_clear(self, address: str) -> str:
        """What is said where it is asked without encryption over networks that anybody may share."""
        return (
            f"the shadow {self.name} at {self.url} is asked in the clear, and {address} is a public address: "
            "what it is sent can be read on the way; use https://"
        )

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
    address = numeric(parts.hostname)
    if address and is_forbidden(address):
        raise SettingsError(f"{url!r} is an address where clouds keep credentials, and not a shadow's")
    if parts.username or parts.password:
        raise SettingsError("a target must not carry credentials: they would end up in spans and logs")
    if parts.query or parts.fragment:
        raise SettingsError(f"{url!r} has a query or fragment: each request brings its own")
    return url
