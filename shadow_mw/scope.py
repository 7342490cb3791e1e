"""Scope: which comparisons a question is about."""

from __future__ import annotations

import msgspec


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict on one route means: by this comparator, against this version of production."""

    route: str
    comparator: str
    production_version: str


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """One shadow in one stretch of time, perhaps on one route. Immutable."""

    shadow: str
    route: str | None = None
    """None for all routes together."""
    since_us: int | None = None
    """Microseconds of Unix time; what came at this very moment is in. None for the beginning."""
    until_us: int | None = None
    """What came at this very moment is out. None for the end."""
    comparator: str | None = None
    production_version: str | None = None
    meanings: tuple[Meaning, ...] = ()
    """Verdicts of any other meaning are out; what has no verdict stays in. Empty for all verdicts."""
