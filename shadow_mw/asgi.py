"""The ASGI door: one middleware in front of any ASGI app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shadow_mw.assembly.installation import Installation, install
from shadow_mw.boundary import Guard
from shadow_mw.capture import Capture
from shadow_mw.keywords import Keywords
from shadow_mw.mirror import Mirror
from shadow_mw.nesting import nesting
from shadow_mw.telemetry.context import current_parent
from shadow_mw.wire import address_of, quoted_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

_guard = Guard("capturing an exchange")


class ShadowMiddleware:
    """Mirrors the predict calls of an ASGI app to its shadows. Immutable.

    Everything is read from `SHADOW_*` variables; any setting may also be given as a keyword, which wins::

        app.add_middleware(ShadowMiddleware)

    Bytes, order, timing and errors of the app stay as they are without it.
    """

    _is_automatic = False

    def __init__(self, app: ASGIApp, **settings: Unpack[Keywords]) -> None:
        """Put the middleware in front of `app`.

        Raises:
            SettingsError: a setting is wrong; the message names the variable and the mend.

        """
        self.app = app
        self._installation = install(**settings)

    def __repr__(self) -> str:
        """The app and where it is mirrored to."""
        return f"ShadowMiddleware({self.app!r}, {self._installation!r})"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope (ASGI 3.0, HTTP and lifespan; everything else passes untouched)."""
        if self._installation is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(self._installation, scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(self._installation, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, installation: Installation, scope: Scope, receive: Receive, send: Send) -> None:
        capture = _admit(installation.mirror, scope, is_automatic=self._is_automatic)
        if capture is None:
            await self.app(scope, receive, send)
            return
        tee = _Tee(capture, installation, receive, send)
        try:
            await self.app(scope, tee.receive, tee.send)
        except BaseException as error:
            capture.failed(type(error).__name__)
            raise
        finally:
            installation.mirror.finish(capture)

    async def _live(self, installation: Installation, scope: Scope, receive: Receive, send: Send) -> None:
        installation.start()
        try:
            await self.app(scope, receive, send)
        finally:
            # Not awaited: a server may cancel what still waits once the app has said that it is down.
            installation.close()


class _Tee:
    """The receive and send of one request, with the capture listening."""

    __slots__ = ("_capture", "_echo", "_mirror", "_receive", "_send")

    def __init__(self, capture: Capture, installation: Installation, receive: Receive, send: Send) -> None:
        self._capture = capture
        self._mirror = installation.mirror
        self._echo = installation.echo_header
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        try:
            self._observe_request(message)
        except Exception as error:  # noqa: BLE001 the guard's own boundary
            _guard.note(error)
        return message

    async def send(self, message: Message) -> None:
        try:
            message = self._observe_response(message)
        except Exception as error:  # noqa: BLE001 the guard's own boundary
            _guard.note(error)
        await self._send(message)
        if self._capture.is_answered:
            self._mirror.finish(self._capture)

    def _observe_request(self, message: Message) -> None:
        if message["type"] != "http.request":
            self._capture.failed("disconnected")
            return
        more = bool(message.get("more_body", False))
        if self._capture.request_chunk(message.get("body", b""), more=more):
            if self._mirror.is_sync:
                self._find_parent()
            self._mirror.request_complete(self._capture)

    def _observe_response(self, message: Message) -> Message:
        kind = message["type"]
        if kind == "http.response.body":
            more = bool(message.get("more_body", False))
            self._capture.response_chunk(message.get("body", b""), more=more)
        elif kind == "http.response.start":
            self._find_parent()
            headers = message.get("headers", ())
            # A generator can be read once only, and that once is the server's.
            fields = tuple(headers) if isinstance(headers, list | tuple) else ()
            self._capture.response_start(message["status"], fields)
            return self._with_request_id(message, headers) if self._echo else message
        elif kind in ("http.response.pathsend", "http.response.zerocopysend"):
            self._capture.response_unseen()
        return message

    def _find_parent(self) -> None:
        """Note the server span; it is seen only from inside the app where OpenTelemetry sits behind us."""
        if not self._capture.parent[0]:
            self._capture.parent = current_parent()

    def _with_request_id(self, message: Message, headers: Any) -> Message:
        echoed = (self._echo, self._capture.head.request_id.encode())
        return {**message, "headers": [*headers, echoed]}


def _admit(mirror: Mirror, scope: Scope, *, is_automatic: bool) -> Capture | None:
    with _guard:
        if nesting.is_needed and nesting.is_anothers(scope, is_automatic=is_automatic):
            return None
        path = _app_path(scope["path"], scope.get("root_path", ""))
        route = mirror.find(scope["method"], path)
        if nesting.is_needed:
            nesting.mark(scope, is_automatic=is_automatic, is_predict_call=route is not None)
        if route is None:
            return None
        query = scope.get("query_string", b"").decode("latin-1")
        capture = mirror.admit(route, _raw_path(scope, path), query, scope["headers"])
        if capture is not None:
            capture.parent = current_parent()
            if mirror.needs_address:
                capture.head.address = _address(scope)
            if capture.declares_no_body:  # an app need not read a body that isn't there
                capture.request_chunk(b"", more=False)
                mirror.request_complete(capture)
        return capture
    return None


def _address(scope: Scope) -> str:
    """Where the server that called us can be asked; empty where it does not tell, as on a unix socket."""
    host, port = scope.get("server") or ("", None)
    return address_of(scope["scheme"], host, port, quote(scope.get("root_path", ""), safe="/"))


def _app_path(path: str, root_path: str) -> str:
    """The path as the app's own routes see it, without the prefix it is mounted under."""
    if root_path and path.startswith(root_path.rstrip("/") + "/"):
        return path[len(root_path.rstrip("/")) :]
    return path


def _raw_path(scope: Scope, path: str) -> str:
    raw = scope.get("raw_path")
    if raw is None:
        return quoted_path(path)
    root_path, text = scope.get("root_path", ""), raw.decode("latin-1")
    return _app_path(text, quote(root_path, safe="/")) if root_path else text
