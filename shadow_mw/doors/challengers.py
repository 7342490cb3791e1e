"""Challengers: what a function may be mirrored to, as targets and as callables by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeAlias

from shadow_mw.doors.arguments import Arguments
from shadow_mw.exceptions import SettingsError, UsageError
from shadow_mw.targets import Target, parse_target

Challenger: TypeAlias = Callable[..., Any] | str
Challengers: TypeAlias = Challenger | Mapping[str, Challenger]

#: True on the threads that ask a challenger: what it calls in turn is never mirrored again.
is_asking: ContextVar[bool] = ContextVar("shadow_mw.is_asking", default=False)


def as_settings(challenger: Challengers, arguments: Arguments) -> dict[str, Any]:
    """The keywords `targets` and `shadow`, and the `queue` that a callable needs.

    Raises:
        UsageError: a challenger is neither a callable nor a target.
        SettingsError: a target is wrong.

    """
    callables: dict[str, Any] = {}
    targets: list[Target] = []
    for name, one in _by_name(challenger).items():
        if isinstance(one, str):
            targets.append(_target(one if isinstance(challenger, str) else f"{name}={one}"))
        elif callable(one):
            callables[name] = _Asked(one, arguments)
        else:
            raise UsageError(
                f"{one!r:.80} can't be asked: give a callable, a URL or python:module:attribute, "
                "or a mapping of names to them, as in @shadow_mw.shadow(candidate.predict)"
            )
    queue = {"shadow": callables, "queue": "inline:"} if callables else {}
    return {"targets": targets, **queue}


def _by_name(challenger: Challengers) -> Mapping[str, Challenger]:
    if isinstance(challenger, Mapping):
        if not challenger:
            raise UsageError("there is no challenger in an empty mapping: name at least one")
        return challenger
    return {"shadow": challenger}


def _target(text: str) -> Target:
    target = parse_target(text)
    if not target.is_python and not target.has_path:
        raise SettingsError(
            f"{text!r} names no path: write the one to ask, as in {target.url.rstrip('/')}/predict"
        )
    return target


class _Asked:
    """A callable challenger that takes decoded features, as the mirror's worker gives them."""

    def __init__(self, function: Callable[..., Any], arguments: Arguments) -> None:
        named: Any = function if hasattr(function, "__qualname__") else type(function)
        functools.update_wrapper(self, named, assigned=("__module__", "__qualname__", "__doc__"), updated=())
        self._function = function
        self._arguments = arguments

    def __call__(self, features: Any) -> Any:
        is_asking.set(True)  # for good: the thread is the challenger's own
        return self._arguments.call(self._function, features)
