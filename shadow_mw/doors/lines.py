"""Lines: whether an app has one of our doors in its code already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shadow_mw.asgi import ShadowMiddleware
from shadow_mw.wsgi import ShadowWSGIMiddleware

#: Where apps and middlewares keep what they stand in front of.
_INNER = ("app", "wsgi_app", "asgi_app", "application", "wrapped_app")
#: Where frameworks keep the list of an app's middlewares.
_LISTS = ("user_middleware", "middleware", "middlewares")
#: Where an entry of such a list keeps its class.
_CLASSES = ("cls", "middleware")
_DEEPEST = 50


def has_line(app: Any) -> bool:
    """True where a door of ours stands in front of an app or in it, as far as can be seen without a call."""
    return any(isinstance(layer, _DOORS) or has_listed_line(layer) for layer in _layers(app))


def has_listed_line(app: Any) -> bool:
    """True where one of the app's own list of middlewares is a door of ours."""
    listed = [getattr(app, name, None) for name in _LISTS]
    entries = [entry for one in listed if isinstance(one, list | tuple) for entry in one]
    return any(isinstance(kind, type) and issubclass(kind, _DOORS) for kind in map(_class_of, entries))


def _class_of(entry: Any) -> Any:
    """The class of one entry: the class itself, a tuple that begins with it, or what holds it."""
    if isinstance(entry, tuple) and entry:
        return entry[0]
    return next((getattr(entry, name) for name in _CLASSES if hasattr(entry, name)), entry)


def _layers(app: Any) -> Iterator[Any]:
    for _ in range(_DEEPEST):
        yield app
        attributes = getattr(app, "__dict__", {})
        inner = next((attributes[name] for name in _INNER if callable(attributes.get(name))), None)
        if inner is None:
            return
        app = inner


_DOORS = (ShadowMiddleware, ShadowWSGIMiddleware)
