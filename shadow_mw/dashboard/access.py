"""Who may look: only this machine, or who knows the token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.types import Scope

from shadow_mw.exceptions import SettingsError

COOKIE = "shadow_dashboard"
#: A shorter token could be guessed by trying.
MIN_TOKEN_CHARS = 16
#: Whoever sends one of these stands between the browser and us, so that its address says nothing.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


class Access:
    """The rule of who may look. Immutable, thread-safe.

    With a token: whoever sends it, as a bearer, in the query or as the cookie that was given for it. Without:
    connections from this machine, under a loopback name (so that no foreign site can rebind its name to us),
    that came through no proxy.
    """

    def __init__(self, token: str = "") -> None:
        """Take the token; empty for this machine alone.

        Raises:
            SettingsError: the token is too short.

        """
        if token and len(token) < MIN_TOKEN_CHARS:
            raise SettingsError(
                f"SHADOW_DASHBOARD_TOKEN is too short: take {MIN_TOKEN_CHARS} characters or more, as in "
                "`openssl rand -hex 16`"
            )
        self._token = token.encode()

    def __repr__(self) -> str:
        """Whether a token is wanted, never the token."""
        return f"Access({'by token' if self._token else 'this machine only'})"

    @property
    def needs_token(self) -> bool:
        """True when a token is wanted."""
        return bool(self._token)

    def is_granted(self, scope: Scope) -> bool:
        """True when this request may look."""
        if not self._token:
            return is_local(scope)
        return self.shows_token(scope) or self._has_cookie(scope)

    def shows_token(self, scope: Scope) -> bool:
        """True when the request itself carries the token, in the query or as a bearer."""
        kind, _, bearer = Headers(scope=scope).get("authorization", "").partition(" ")
        shown = [value for key, value in _query(scope) if key == "token"]
        if kind.lower() == "bearer":
            shown.append(bearer.strip())
        return any(hmac.compare_digest(value.encode("utf-8", "replace"), self._token) for value in shown)

    def cookie(self, scope: Scope) -> str:
        """The `Set-Cookie` header that stands for the token from now on: a digest, which tells nothing."""
        path = scope.get("root_path", "") or "/"
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        return f"{COOKIE}={self._digest()}; Path={path}; HttpOnly; SameSite=Strict{secure}"

    def _has_cookie(self, scope: Scope) -> bool:
        try:
            morsel = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self._digest().encode())

    def _digest(self) -> str:
        return hmac.new(self._token, b"shadow_mw dashboard cookie", hashlib.sha256).hexdigest()


def without_token(scope: Scope) -> str:
    """The URL of a request without its token, relative to the host."""
    query = urlencode([(key, value) for key, value in _query(scope) if key != "token"])
    # Two slashes at the beginning would name another host.
    path = "/" + scope["path"].lstrip("/\\")
    return f"{path}?{query}" if query else path


def is_loopback(host: str) -> bool:
    """True for a name or address that reaches this machine alone."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_local(scope: Scope) -> bool:
    """True when a request came from this machine, by a loopback name, through no proxy that says so."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    return (
        client is not None
        and is_loopback(client[0])
        and is_loopback(_host_name(headers.get("host", "")))
        and not any(name in headers for name in _FORWARDED)
    )


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0][1:]
    return host.partition(":")[0]


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
