"""The gatekeeper: what every request must pass, and what every response carries."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shadow_mw.dashboard.access import Access, without_token

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
#: The one path that something is posted to: Flagger's webhook posts. Nothing is ever changed by it.
_POSTED = "/api/gate"
#: What a probe may ask without a token: whether this process is up, and nothing else.
_OPEN = "/healthz"
_READING = ("GET", "HEAD")
#: What programs ask, which keep no cookie.
_FOR_PROGRAMS = ("/api/", "/metrics")


class Gatekeeper:
    """The ASGI app in front of the dashboard: reading only, by those who may, with strict headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        """Stand in front of `app`."""
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        app = self._refusal(scope) or self._app
        await app(scope, receive, _Headed(send))

    def _refusal(self, scope: Scope) -> Response | None:
        path = own_path(scope)
        if scope["method"] not in (*_READING, "POST") or (scope["method"] == "POST" and path != _POSTED):
            return PlainTextResponse(
                "This dashboard is only for reading.\n", 405, headers={"allow": ", ".join(_READING)}
            )
        if path == _OPEN:
            return None
        if not self._access.is_granted(scope):
            return self._denial()
        is_page = scope["method"] in _READING and not path.startswith(_FOR_PROGRAMS)
        if self._access.needs_token and is_page and b"token=" in scope.get("query_string", b""):
            # The token leaves the address bar, the history and what is copied from them.
            headers = {"set-cookie": self._access.cookie(scope)} if self._access.shows_token(scope) else {}
            return RedirectResponse(without_token(scope), 303, headers=headers)
        return None

    def _denial(self) -> Response:
        if self._access.needs_token:
            sentence = (
                "A token is needed: open this page once with ?token=… (the value of SHADOW_DASHBOARD_TOKEN), "
                "or send it as `Authorization: Bearer …`.\n"
            )
            return PlainTextResponse(sentence, 401, headers={"www-authenticate": "Bearer"})
        sentence = (
            "Without a token this dashboard answers this machine alone, at http://127.0.0.1 or localhost and "
            "not through a proxy. Set SHADOW_DASHBOARD_TOKEN, and open it with ?token=…\n"
        )
        return PlainTextResponse(sentence, 403)


class _Headed:
    """A `send` that adds our headers."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            headers.setdefault("cache-control", "private, no-cache")
        await self._send(message)


def own_path(scope: Scope) -> str:
    """The path inside the dashboard, wherever it is mounted."""
    root = scope.get("root_path", "")
    path: str = scope["path"]
    return path[len(root) :] if root and path.startswith(root) else path
