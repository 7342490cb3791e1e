"""One call for any app: finds the framework and adds the line the right way."""

from __future__ import annotations

import inspect
import logging
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from shadow_mw.asgi import ShadowMiddleware
from shadow_mw.boundary import tell
from shadow_mw.doors.lines import has_line
from shadow_mw.exceptions import UsageError
from shadow_mw.keywords import Keywords
from shadow_mw.wsgi import ShadowWSGIMiddleware

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: The routers of frameworks, some of which could be called.
_ROUTERS = {"flask.Blueprint", "litestar.Router", "quart.Blueprint", "starlette.Router"}
_MEND = "give the app that your server serves, as in app = shadow_mw.instrument(app)"


def instrument(app: Any, **settings: Unpack[Keywords]) -> Any:
    """Mirror an app of any framework, and return the app to be served; a second call adds nothing.

    Serve what is returned: an app of FastAPI, Starlette, Flask, Quart or BentoML is the very object, any
    other ASGI or WSGI app comes back behind a middleware::

        app = shadow_mw.instrument(app)

    Settings are the middleware's: `SHADOW_*` variables, or keywords, which win.

    Raises:
        UsageError: `app` is no app, or has started already; the message says what to give instead.
        SettingsError: a setting is wrong; the message names the variable and the mend.

    """
    _refuse(app)
    if has_line(app):
        if settings:
            tell(
                logging.WARNING, "instrument(): the app is mirrored already, the new settings have no effect"
            )
        return app
    names = _names(app)
    if "starlette.Starlette" in names:
        return _with_middleware(app, settings)
    if "flask.Flask" in names:
        app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app, **settings)
        return app
    if "quart.Quart" in names:
        app.asgi_app = ShadowMiddleware(app.asgi_app, **settings)
        return app
    if names & {"bentoml.Service", "_bentoml_sdk.Service"}:
        app.add_asgi_middleware(ShadowMiddleware, **settings)
        return app
    door = ShadowMiddleware if _interface(app) == "asgi" else ShadowWSGIMiddleware
    return door(app, **settings)


def _with_middleware(app: Any, settings: Keywords) -> Any:
    if app.middleware_stack is not None:
        raise UsageError(
            "the app has started, and takes no middleware any more: call instrument() where it is made"
        )
    app.add_middleware(ShadowMiddleware, **settings)
    return app


def _refuse(app: Any) -> None:
    """Say what is wrong with what is plainly no app."""
    if isinstance(app, type):
        raise UsageError(
            f"{app.__qualname__} is a class: {_MEND}; for instance, instrument({app.__name__}())"
        )
    if isinstance(app, str):
        raise UsageError(f"{app!r} is a name: {_MEND}")
    if isinstance(app, ModuleType):
        raise UsageError(f"{app.__name__} is a module: {_MEND}; for instance, instrument({app.__name__}.app)")
    names = _names(app)
    if names & _ROUTERS and "litestar.Litestar" not in names:  # which is a router of its own kind
        raise UsageError(
            f"{type(app).__name__} is a router and no app of its own: give the app that includes it"
        )


def _names(app: Any) -> set[str]:
    """The classes of an app as `package.Class`: an app of a framework that is not installed is none of it."""
    return {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(app).__mro__}


def _interface(app: Any) -> Literal["asgi", "wsgi"]:
    """Which of the two an app speaks, by its signature.

    Raises:
        UsageError: neither.

    """
    if not callable(app):
        raise UsageError(f"{_shown(app)} is no app, for it can't be called: {_MEND}")
    count = _required(app)
    is_async = inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__)
    if count == 3:
        return "asgi"
    if count == 2 and not is_async:
        return "wsgi"
    takes = "can't be looked into" if count is None else f"takes {count} argument{'s' * (count != 1)}"
    raise UsageError(
        f"{_shown(app)} {takes}, while an ASGI app takes (scope, receive, send) and a WSGI app "
        f"(environ, start_response): {_MEND}"
    )


def _required(app: Any) -> int | None:
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is one.empty for one in parameters)


def _shown(app: Any) -> str:
    return f"{app!r:.80}"
