"""The guard in front of an ASGI app."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shadow_mw.guard.engagement import Engagement, engage
from shadow_mw.guard.rules import Mode, Reach
from shadow_mw.guard.watch import Watch, watching
from shadow_mw.mirror import SHADOW_REQUEST_HEADER
from shadow_mw.telemetry.context import is_marked


class ShadowGuardMiddleware:
    """Keeps a shadow's own server from writing while it handles a mirrored request. Immutable.

    It does nothing unless the deployment sets `SHADOW_GUARD` to `block` or `record`::

        app.add_middleware(ShadowGuardMiddleware)
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        mode: Mode | None = None,
        scope: Reach | None = None,
        allow: Iterable[str] = (),
    ) -> None:
        """Put the guard in front of `app`.

        Args:
            app: The app of the shadow's server.
            mode: `block` or `record`; wins over `SHADOW_GUARD`, but never turns on what that leaves off.
            scope: `marked` or `process`; wins over `SHADOW_GUARD_SCOPE`.
            allow: Hosts and folders that may be written to, beside those of `SHADOW_GUARD_ALLOW`.

        Raises:
            SettingsError: a variable or a keyword has no such value.

        """
        self.app = app
        self._engagement = engage(mode, scope, allow)

    def __repr__(self) -> str:
        """The app and what is watched."""
        return f"ShadowGuardMiddleware({self.app!r}, {self._engagement!r})"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope; what is not watched passes with the very objects it came with."""
        engagement = self._engagement
        if engagement is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, _armed(engagement, send) if engagement.is_for_process else send)
        else:
            engagement.arm()
            if scope["type"] == "http" and _is_mirrored(scope):
                await self._serve(engagement.watch(), scope, receive, send)
            else:
                await self.app(scope, receive, send)

    async def _serve(self, watch: Watch, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message.get("type") == "http.response.start":
                headers = [*message.get("headers", ()), (b"shadow-guard", watch.header.encode())]
                message = {**message, "headers": headers}
            await send(message)

        with watching(watch):
            await self.app(scope, receive, told)


def _armed(engagement: Engagement, send: Send) -> Send:
    async def heard(message: Message) -> None:
        if message.get("type") == "lifespan.startup.complete":
            engagement.arm()
        await send(message)

    return heard


def _is_mirrored(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        known = name.lower()
        if known == SHADOW_REQUEST_HEADER or (known == b"baggage" and is_marked(value.decode("latin-1"))):
            return True
    return False
