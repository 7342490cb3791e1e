"""The guard in front of a WSGI app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from shadow_mw.guard.engagement import engage
from shadow_mw.guard.rules import Mode, Reach
from shadow_mw.guard.watch import Watch, watching
from shadow_mw.mirror import SHADOW_REQUEST_HEADER
from shadow_mw.telemetry.context import is_marked

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MARK_VARIABLE = "HTTP_" + SHADOW_REQUEST_HEADER.decode().upper().replace("-", "_")


class ShadowGuardWSGIMiddleware:
    """Keeps a shadow's own server from writing while it handles a mirrored request. Immutable, thread-safe.

    It does nothing unless the deployment sets `SHADOW_GUARD` to `block` or `record`::

        app.wsgi_app = ShadowGuardWSGIMiddleware(app.wsgi_app)
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        mode: Mode | None = None,
        scope: Reach | None = None,
        allow: Iterable[str] = (),
    ) -> None:
        """Put the guard in front of `app`; the keywords are those of `ShadowGuardMiddleware`.

        Raises:
            SettingsError: a variable or a keyword has no such value.

        """
        self.app = app
        self._engagement = engage(mode, scope, allow)

    def __repr__(self) -> str:
        """The app and what is watched."""
        return f"ShadowGuardWSGIMiddleware({self.app!r}, {self._engagement!r})"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request; what is not watched passes with the very objects it came with."""
        engagement = self._engagement
        if engagement is not None:
            engagement.arm()
        if engagement is None or not _is_mirrored(environ):
            return self.app(environ, start_response)
        watch = engagement.watch()

        def told(status: str, headers: Any, *exc_info: Any) -> Callable[[bytes], object]:
            fields = [*headers, ("shadow-guard", watch.header)] if isinstance(headers, list) else headers
            return start_response(status, fields, *exc_info)

        with watching(watch):
            result = self.app(environ, told)
        return result if _is_done(result, environ) else _Body(result, watch)


class _Body:
    """A body whose every step is taken under the watch of its request."""

    def __init__(self, result: Iterable[bytes], watch: Watch) -> None:
        self._result = result
        self._watch = watch
        self._chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with watching(self._watch):
            if self._chunks is None:
                self._chunks = iter(self._result)
            return next(self._chunks)

    def close(self) -> None:
        close = getattr(self._result, "close", None)
        if close is not None:
            with watching(self._watch):
                close()


def _is_done(result: Any, environ: WSGIEnvironment) -> bool:
    """True for what the app has no more part in, or what a server knows again: it goes on as it is."""
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type) and isinstance(result, wrapper):
        return True
    return isinstance(result, list | tuple | bytes) or not hasattr(result, "__iter__")


def _is_mirrored(environ: WSGIEnvironment) -> bool:
    return _MARK_VARIABLE in environ or is_marked(environ.get("HTTP_BAGGAGE", ""))
