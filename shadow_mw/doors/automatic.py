"""Doors that come by themselves: the apps of a process are mirrored without a line in their code.

A door is put where a line would stand: innermost in front of an app of Flask or Quart, as the outermost of
the user's middlewares in Starlette and FastAPI, in front of the app in Django and Litestar. What has a line
of its own, or stands behind another door, is left to that.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType, ModuleType
from typing import Any, TypeAlias

from shadow_mw.asgi import ShadowMiddleware
from shadow_mw.boundary import Guard
from shadow_mw.doors.lines import has_listed_line
from shadow_mw.doors.shared import SharedInstallation
from shadow_mw.nesting import nesting
from shadow_mw.wsgi import ShadowWSGIMiddleware

_guard = Guard("mirroring an app without a line in its code")
_shared = SharedInstallation()
_is_inside: ContextVar[bool] = ContextVar("shadow_mw.is_inside", default=False)
_Method: TypeAlias = Callable[..., Any]
#: What was put in the place of a method, with where it is and the method: all that `unhook` needs.
_replaced: dict[tuple[type, str], _Method] = {}


class AutomaticMiddleware(ShadowMiddleware):
    """The ASGI door that needs no line. Immutable."""

    _is_automatic = True

    def __init__(self, app: Any) -> None:
        """Stand in front of `app` with the mirror that all automatic doors of the process share."""
        self.app = app
        self._installation = _shared.get()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope; a WSGI app that is mounted in an ASGI app can't see the mark in the scope."""
        token = _is_inside.set(True)
        try:
            await super().__call__(scope, receive, send)
        finally:
            with contextlib.suppress(ValueError):  # whoever drives us has changed the context meanwhile
                _is_inside.reset(token)


class AutomaticWSGIMiddleware(ShadowWSGIMiddleware):
    """The WSGI door that needs no line. Immutable, thread-safe, fork-safe."""

    _is_automatic = True

    def __init__(self, app: Any) -> None:
        """Stand in front of `app` with the mirror that all automatic doors of the process share."""
        self.app = app
        self._installation = _shared.get()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Serve one request, unless an ASGI app with a door does."""
        serve = self.app if _is_inside.get() else super().__call__
        return serve(environ, start_response)


def hook(module: ModuleType) -> None:
    """See to it that the apps of a framework, whose module this is, get a door. Idempotent."""
    nesting.is_needed = True
    for name, method, make in HOOKS[module.__name__]:
        kind = getattr(module, name)
        original = vars(kind).get(method)
        if original is not None and (kind, method) not in _replaced:
            _replaced[kind, method] = original
            setattr(kind, method, functools.wraps(original)(make(original)))


def hook_all() -> None:
    """Hook every framework, those that are imported later too.

    Raises:
        ImportError: `wrapt` is not installed.

    """
    import wrapt

    nesting.is_needed = True
    for name in HOOKS:
        wrapt.register_post_import_hook(_hook_safely, name)


def unhook_all() -> None:
    """Give all frameworks their own methods back; a Starlette app that has started keeps its door."""
    for (kind, method), original in _replaced.items():
        setattr(kind, method, original)
    _replaced.clear()
    nesting.is_needed = False


def _hook_safely(module: ModuleType) -> None:
    with _guard:
        if nesting.is_needed:  # else it was unhooked before this framework was imported
            hook(module)


def _building(original: _Method) -> _Method:
    """Starlette's `build_middleware_stack`, with a door more."""

    def build_middleware_stack(app: Any) -> Any:
        with _guard:
            if not has_listed_line(app) and _shared.get() is not None:
                middleware = sys.modules["starlette.middleware"].Middleware
                app.user_middleware.insert(0, middleware(AutomaticMiddleware))
        return original(app)

    return build_middleware_stack


def _serving_asgi(original: _Method) -> _Method:
    """An ASGI app's own call, behind a door."""

    async def serve(app: Any, scope: Any, receive: Any, send: Any) -> Any:
        return await _asgi_door(app, functools.partial(original, app))(scope, receive, send)

    return serve


def _asgi_door(app: Any, bare: _Method) -> _Method:
    """What serves in the place of `bare`, which is the app's own call."""
    with _guard:
        if not has_listed_line(app):
            return AutomaticMiddleware(bare)
    return bare


def _serving_wsgi(original: _Method) -> _Method:
    """A WSGI app's own call, behind a door."""

    def serve(app: Any, environ: Any, start_response: Any) -> Any:
        return AutomaticWSGIMiddleware(functools.partial(original, app))(environ, start_response)

    return serve


def _constructing(original: _Method) -> _Method:
    """A WSGI app's constructor: nothing else tells that the server starts up."""

    def construct(app: Any, *arguments: Any, **named: Any) -> None:
        original(app, *arguments, **named)
        _shared.prepare()

    return construct


#: For each module: the class of its apps, a method, and what makes another of it.
HOOKS: Mapping[str, tuple[tuple[str, str, Callable[[_Method], _Method]], ...]] = MappingProxyType(
    {
        "django.core.handlers.asgi": (("ASGIHandler", "__call__", _serving_asgi),),
        "django.core.handlers.wsgi": (
            ("WSGIHandler", "__call__", _serving_wsgi),
            ("WSGIHandler", "__init__", _constructing),
        ),
        "fastapi.applications": (("FastAPI", "build_middleware_stack", _building),),
        "flask.app": (("Flask", "wsgi_app", _serving_wsgi), ("Flask", "__init__", _constructing)),
        "litestar.app": (("Litestar", "__call__", _serving_asgi),),
        "quart.app": (("Quart", "asgi_app", _serving_asgi),),
        "starlette.applications": (("Starlette", "build_middleware_stack", _building),),
    }
)
