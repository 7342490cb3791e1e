"""The choice of comparators: from names to objects, for each route."""

from __future__ import annotations

from collections.abc import Sequence

from shadow_mw.choices import EVERY_ROUTE, Choice, parse_choice, parse_choices
from shadow_mw.compare.auto import Auto
from shadow_mw.compare.batched import Batched
from shadow_mw.compare.close import Close
from shadow_mw.compare.exact import Exact
from shadow_mw.compare.ignored import IgnoredPaths
from shadow_mw.compare.label import TopLabel
from shadow_mw.compare.plugin import Plugin
from shadow_mw.compare.proba import DEFAULT_DISTANCE, Probabilities
from shadow_mw.compare.similar_text import DEFAULT_RATIO, SimilarText
from shadow_mw.compare.top_k import DEFAULT_K, TopK
from shadow_mw.compare.vector import DEFAULT_SIMILARITY, Vector
from shadow_mw.exceptions import SettingsError
from shadow_mw.protocols import Comparator

#: `auto` keeps a memory for each route, and routes come from the wire with a worker of its own.
_MOST_ROUTES = 1000


class Comparators:
    """The comparators of all routes, as `SHADOW_COMPARE` names them."""

    def __init__(self, compare: str, *, rtol: float, atol: float, ignore: Sequence[str]) -> None:
        """Make what is named; `rtol` and `atol` are for `close`, `ignore` is for `close` and `exact`.

        Raises:
            SettingsError: no such comparator, a plugin that cannot be imported, or a bad ignore pattern.
            MissingExtraError: a comparator needs an extra that is not installed.

        """
        self._rtol, self._atol, self._ignored = rtol, atol, IgnoredPaths(ignore)
        try:
            self._choices = parse_choices(compare)
        except SettingsError as error:
            raise SettingsError(f"SHADOW_COMPARE: {error}") from None
        self._made = {route: self._make(choice) for route, choice in self._choices.items()}

    def __repr__(self) -> str:
        """The choices."""
        return f"Comparators({self._choices})"

    def of(self, route: str) -> Comparator:
        """The comparator of a route, the same object every time."""
        made = self._made.get(route)
        if made is None:
            every = self._made[EVERY_ROUTE]
            made = self._make(self._choices[EVERY_ROUTE]) if isinstance(every, Auto) else every
            if len(self._made) < _MOST_ROUTES:
                self._made[route] = made
        return made

    def _make(self, choice: Choice) -> Comparator:
        if choice.name == "auto":
            return Auto(self._fitting)
        if choice.name == "exact":
            return Exact(self._ignored)
        if choice.name == "close":
            return Close(self._rtol, self._atol, self._ignored)
        if choice.name.startswith("python:"):
            return Plugin(choice.name)
        return Batched(_reading(choice), are_objects_rows=choice.name != "top_k")

    def _fitting(self, name: str) -> Comparator:
        """A comparator for `auto`, whose `close` looks past the envelope of a model server."""
        if name == "close":
            return Close(self._rtol, self._atol, self._ignored, only_found=True)
        return self._make(Choice(name))


def make_comparator(
    name: str, *, rtol: float = 1e-5, atol: float = 1e-8, ignore: Sequence[str] = ()
) -> Comparator:
    """One comparator by its name.

    Raises:
        SettingsError: as with `Comparators`.

    """
    try:
        choice = parse_choice(name)
    except SettingsError as error:
        raise SettingsError(f"SHADOW_COMPARE: {error}") from None
    return Comparators(str(choice), rtol=rtol, atol=atol, ignore=ignore).of(EVERY_ROUTE)


def _reading(choice: Choice) -> Comparator:
    """A comparator that reads one prediction in many forms."""
    name, parameter = str(choice), choice.parameter
    if choice.name == "top_k":
        return TopK(name, DEFAULT_K if parameter is None else int(parameter))
    if choice.name == "proba":
        return Probabilities(name, DEFAULT_DISTANCE if parameter is None else parameter)
    if choice.name == "vector":
        return Vector(name, DEFAULT_SIMILARITY if parameter is None else parameter)
    if choice.name == "text":
        return SimilarText(name, DEFAULT_RATIO if parameter is None else parameter)
    return TopLabel()
