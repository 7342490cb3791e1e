"""Paths: two JSON values walked side by side, and the text that says where they differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, Final, TypeAlias

from shadow_mw.compare.ignored import IGNORED, IgnoredPaths, State
from shadow_mw.compare.text import fitted

Part: TypeAlias = str | int
#: The way from the root: None there, else the way to the parent and one key or index.
Path: TypeAlias = "tuple[Path, Part] | None"
#: A path, production's value and the shadow's.
Leaves: TypeAlias = tuple[Path, Any, Any]

#: How many paths a record keeps.
MAX_PATHS = 20
MAX_PATH_CHARS = 256
_PLAIN_KEY = re.compile(r"[^\W\d][\w-]*\Z")


class Missing:
    """The type of `MISSING`, which stands where only the other side has a value."""

    def __repr__(self) -> str:
        """A word for messages."""
        return "missing"


MISSING: Final = Missing()


def leaf_pairs(
    production: Any, shadow: Any, ignored: IgnoredPaths, way: Sequence[Part] = ()
) -> Iterator[Leaves]:
    """The leaves of two JSON values that stand at the same path, in production's order.

    Where the values are not both objects or both arrays, the pair is a leaf. A key or index that one side
    lacks is a pair with `MISSING`. Ignored paths are left out. `way` leads from the root to the two values.
    Takes no stack, however deep the values.
    """
    path, state = _entered(way, ignored)
    start = [] if state is IGNORED else [(path, production, shadow, state)]
    levels: list[Iterator[tuple[Path, Any, Any, State]]] = [iter(start)]
    while levels:
        for path, left, right, state in levels[-1]:
            if (type(left) is dict and type(right) is dict) or (type(left) is list and type(right) is list):
                levels.append(_children(path, _parts(left, right), state, ignored))
                break
            yield path, left, right
        else:
            levels.pop()


def is_number(value: Any) -> bool:
    """True for a JSON number; True and False are none."""
    return type(value) is int or type(value) is float


def is_same(production: Any, shadow: Any) -> bool:
    """True for equal leaves by the rules of JSON: 1 is 1.0, True is not 1, and NaN is NaN."""
    if is_number(production) and is_number(shadow):
        return bool(production == shadow or (production != production and shadow != shadow))
    return type(production) is type(shadow) and bool(production == shadow)


def path_text(path: Path) -> str:
    """A path as it stands in records: `$.scores[3].id`, odd keys as in `$["a b"]`, at most 256 characters."""
    return fitted(way_text(parts_of(path)), MAX_PATH_CHARS)


def _part_text(part: Part) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN_KEY.match(part) else f"[{json.dumps(part)}]"


def way_text(way: Sequence[Part]) -> str:
    """A way from the root as it stands in records."""
    return "$" + "".join(map(_part_text, way))


def parts_of(path: Path) -> list[Part]:
    """The keys and indices of a path, from the root."""
    parts = []
    while path is not None:
        path, part = path
        parts.append(part)
    return parts[::-1]


def _entered(way: Sequence[Part], ignored: IgnoredPaths) -> tuple[Path, State]:
    path: Path = None
    state = ignored.start
    for part in way:
        path = (path, part)
        state = ignored.enter(state, part) if state and state is not IGNORED else state
    return path, state


def _children(
    path: Path, parts: Iterator[tuple[Part, Any, Any]], state: State, ignored: IgnoredPaths
) -> Iterator[tuple[Path, Any, Any, State]]:
    for part, left, right in parts:
        following = ignored.enter(state, part) if state else state
        if following is not IGNORED:
            yield (path, part), left, right, following


def _parts(production: Any, shadow: Any) -> Iterator[tuple[Part, Any, Any]]:
    if isinstance(production, list):
        for index, (left, right) in enumerate(zip_longest(production, shadow, fillvalue=MISSING)):
            yield index, left, right
        return
    for key, left in production.items():
        yield key, left, shadow.get(key, MISSING)
    for key, right in shadow.items():
        if key not in production:
            yield key, MISSING, right
