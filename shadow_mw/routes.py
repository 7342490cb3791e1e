"""Routes: which requests are predict calls."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from shadow_mw.exceptions import SettingsError

_PARAMETER = re.compile(r"\{[^{}]*\}")
_METHOD = re.compile(r"[A-Z]+\Z")


class Segment(msgspec.Struct, frozen=True):
    """One part of a path pattern between slashes: `prefix{parameter}suffix`, or the literal `prefix`."""

    prefix: str
    suffix: str = ""
    has_parameter: bool = False

    def matches(self, text: str) -> bool:
        """True when `text` is the literal, or has prefix and suffix around at least one character."""
        if not self.has_parameter:
            return text == self.prefix
        longer = len(text) > len(self.prefix) + len(self.suffix)
        return longer and text.startswith(self.prefix) and text.endswith(self.suffix)


class Route(msgspec.Struct, frozen=True):
    """One predict route: a method and a path pattern. Immutable."""

    method: str
    pattern: str
    segments: tuple[Segment, ...]

    def __str__(self) -> str:
        """The route as it is written in `SHADOW_ROUTES`."""
        return f"{self.method} {self.pattern}"

    def matches(self, path: str) -> bool:
        """True when the whole `path` fits the pattern; takes time linear in its length."""
        parts = path.split("/")
        if len(parts) != len(self.segments):
            return False
        return all(segment.matches(part) for segment, part in zip(self.segments, parts, strict=True))


class RouteTable:
    """All predict routes of an app, looked up by method and path. Immutable, thread-safe."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Sort the routes into literal ones, found by hash, and patterns, tried in the order given."""
        self._literal: dict[tuple[str, str], Route] = {}
        self._patterns: list[Route] = []
        for route in routes:
            if any(segment.has_parameter for segment in route.segments):
                self._patterns.append(route)
            else:
                self._literal[route.method, route.pattern] = route

    def find(self, method: str, path: str) -> Route | None:
        """The first route that this request fits, or None."""
        literal = self._literal.get((method, path))
        if literal is not None or not self._patterns:
            return literal
        return next(
            (route for route in self._patterns if route.method == method and route.matches(path)), None
        )


def parse_route(text: str) -> Route:
    """A route from `METHOD /path/{parameter}`; a parameter stays within one segment.

    Raises:
        SettingsError: the text is no route; the message says what is missing.

    """
    method, _, pattern = text.strip().partition(" ")
    pattern = pattern.strip()
    if not _METHOD.match(method) or not pattern.startswith("/"):
        raise SettingsError(f"{text.strip()!r} is not a route: write METHOD /path, as in 'POST /predict'")
    return Route(method, pattern, tuple(_parse_segment(part, text) for part in pattern.split("/")))


def _parse_segment(part: str, route: str) -> Segment:
    literals = _PARAMETER.split(part)
    if len(literals) > 2 or any("{" in literal or "}" in literal for literal in literals):
        raise SettingsError(f"{route.strip()!r}: at most one whole {{parameter}} between two slashes")
    if len(literals) == 1:
        return Segment(part)
    return Segment(literals[0], literals[1], has_parameter=True)
