"""Choices: which comparator judges which route, as text and parsed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from shadow_mw.exceptions import SettingsError
from shadow_mw.routes import parse_route

#: The built-in comparators; those with a parameter have the range it may come from.
COMPARATORS: Mapping[str, tuple[float, float] | None] = {
    "auto": None,
    "exact": None,
    "close": None,
    "label": None,
    "top_k": (1, 10_000),
    "proba": (0, 1),
    "vector": (0, 1),
    "text": (0, 1),
}
DEFAULT = "auto"
#: The route that stands for all that are not named.
EVERY_ROUTE = "*"
_CALL = re.compile(r"([a-z_]+)\(([^()]*)\)\Z")
_SEPARATORS = re.compile(r"[,\n]")


class Choice(msgspec.Struct, frozen=True):
    """One comparator: its name, and its parameter where one was given."""

    name: str
    parameter: float | None = None

    def __str__(self) -> str:
        """As it stands in settings and records: `top_k(5)`, `python:module:function`."""
        return self.name if self.parameter is None else f"{self.name}({self.parameter:.12g})"


def parse_choices(text: str) -> dict[str, Choice]:
    """The choices by route: `label`, or `POST /predict=label, POST /embed=vector(0.99), *=close`.

    A single one is for `*`, every route. A route that is named nowhere, where there is no `*`, gets `auto`.

    Raises:
        SettingsError: a comparator is unknown, a parameter wrong, or a route named twice.

    """
    choices: dict[str, Choice] = {}
    for item in filter(None, map(str.strip, _SEPARATORS.split(text))):
        route, separator, name = item.rpartition("=")
        route = _route(route.strip()) if separator else EVERY_ROUTE
        if route in choices:
            raise SettingsError(
                f"{item!r} is a second comparator for {_said(route)}: "
                "write one comparator, or POST /predict=label, *=close"
            )
        choices[route] = parse_choice(name.strip())
    return {EVERY_ROUTE: Choice(DEFAULT), **choices}


def parse_choice(text: str) -> Choice:
    """One choice from `name`, `name(parameter)` or `python:module:function`.

    Raises:
        SettingsError: there is no such comparator, or its parameter is out of range.

    """
    if text.startswith("python:") and len(text.split(":")) == 3:
        return Choice(text)
    call = _CALL.match(text)
    name = call[1] if call else text
    if name not in COMPARATORS:
        known = ", ".join(COMPARATORS)
        raise SettingsError(f"{text!r} is not a comparator: use {known} or python:module:function")
    return Choice(name, _parameter(text, name, call[2])) if call else Choice(name)


def strangers(choices: Iterable[str], routes: Iterable[str]) -> list[str]:
    """The routes of choices that are none of the predict routes."""
    known = {EVERY_ROUTE, *routes}
    return [route for route in choices if route not in known]


def _route(text: str) -> str:
    return text if text == EVERY_ROUTE else str(parse_route(text))


def _said(route: str) -> str:
    return "every route" if route == EVERY_ROUTE else route


def _parameter(text: str, name: str, written: str) -> float:
    bounds = COMPARATORS[name]
    if bounds is None:
        raise SettingsError(f"{text!r} is not a comparator: {name} takes no number in parentheses")
    low, high = bounds
    kind = "a whole number" if high > 1 else "a number"
    try:
        number = int(written) if high > 1 else float(written)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise SettingsError(f"{text!r} is not a comparator: {name} takes {kind} from {low} to {high:g}")
    return number
