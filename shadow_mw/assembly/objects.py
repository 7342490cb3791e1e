"""Shadows that are given in code: `ShadowMiddleware(app, shadow=model.predict)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from shadow_mw.exceptions import SettingsError
from shadow_mw.settings import Settings, load_settings, origin
from shadow_mw.targets import Target, checked_name

#: The callables by the names of their shadows.
Objects: TypeAlias = Mapping[str, Callable[[Any], Any]]


def named(shadow: object) -> Objects:
    """What was given as `shadow`, by name; a single one is called `shadow`.

    Raises:
        SettingsError: it is no callable, and no mapping of names to callables.

    """
    objects = {"shadow": shadow} if callable(shadow) else {} if shadow is None else shadow
    if not isinstance(objects, Mapping) or not all(callable(one) for one in objects.values()):
        raise SettingsError(
            f"shadow={shadow!r:.80} can't be asked: give a callable, as in shadow=model.predict, "
            "or several, as in shadow={'candidate': model.predict}"
        )
    return objects


def load_settings_with(objects: Objects, overrides: dict[str, Any]) -> Settings:
    """The settings in force, with a target more for each object, and the queue that objects need.

    Raises:
        SettingsError: a setting is wrong, or names a queue to another process.

    """
    settings = load_settings(**overrides)
    if not objects:
        return settings
    if settings.queue != "inline:" and origin("queue", overrides) != "default":
        raise SettingsError(
            f"SHADOW_QUEUE is {settings.queue!r}, and a shadow that is given in code can't leave the app's "
            "process: set SHADOW_QUEUE=inline:, or name it in SHADOW_TARGETS as python:module:attribute"
        )
    targets = tuple(Target(checked_name(name), _url(function)) for name, function in objects.items())
    return load_settings(**{**overrides, "targets": (*settings.targets, *targets), "queue": "inline:"})


def _url(function: Callable[[Any], Any]) -> str:
    """What stands for it in records and spans."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"python:{named.__module__}:{named.__qualname__}"
