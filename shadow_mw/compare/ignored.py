"""Ignored paths: the parts of a prediction that never count as a difference."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

from shadow_mw.exceptions import SettingsError


class Wildcard(Enum):
    """What stands for keys and indices that are not named."""

    ONE = "*"
    ANY_DEPTH = "**"


Token: TypeAlias = str | int | Wildcard
Pattern: TypeAlias = tuple[Token, ...]
#: What is left of the patterns that fit so far, on the way from the root to some value.
State: TypeAlias = frozenset[Pattern]

#: The state inside an ignored value.
IGNORED: State = frozenset({()})

_TOKEN = re.compile(
    r"""
    \.(?P<name>[^.\[\]]+)
    | \[(?P<index>[0-9]{1,9})\]
    | \[(?P<one>\*)\]
    | \[(?P<quoted>"(?:[^"\\]|\\.)*")\]
    """,
    re.VERBOSE,
)


class IgnoredPaths:
    """Patterns such as `id`, `meta.created_at`, `items[*].id`, `**.timestamp`. Thread-safe.

    `*` is one key or index, `**` any number of them. A pattern covers everything below what it names. Path
    texts of records are patterns too. Matched as an automaton, step by step from the root, so that time is
    linear in the size of the prediction.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Compile the patterns.

        Raises:
            SettingsError: one of them is no pattern; the message names `SHADOW_IGNORE`.

        """
        self._texts = tuple(patterns)
        parsed = [_parse(text) for text in self._texts]
        self._literals = frozenset(
            token for pattern in parsed for token in pattern if not isinstance(token, Wildcard)
        )
        self._advance = lru_cache(maxsize=1024)(_advance)
        self.start = _closed(parsed)

    def __repr__(self) -> str:
        """The patterns."""
        return f"IgnoredPaths({list(self._texts)})"

    def enter(self, state: State, part: str | int) -> State:
        """The state one key or index further down; `IGNORED` where a pattern ends."""
        # Keys that no pattern names are all alike, so the cache holds no keys of bodies.
        return self._advance(state, part if part in self._literals else Wildcard.ONE)


def _advance(state: State, part: Token) -> State:
    left: list[Pattern] = []
    for pattern in state:
        if pattern[0] is Wildcard.ANY_DEPTH:
            left.append(pattern)
        elif pattern[0] is Wildcard.ONE or pattern[0] == part:
            left.append(pattern[1:])
    following = _closed(left)
    return IGNORED if () in following else following


def _closed(patterns: Iterable[Pattern]) -> State:
    """The patterns, and beside each that begins with `**` the rest after it, for `**` may be nothing."""
    closed = set()
    for pattern in patterns:
        left = pattern
        closed.add(left)
        while left and left[0] is Wildcard.ANY_DEPTH:
            left = left[1:]
            closed.add(left)
    return frozenset(closed)


def _parse(text: str) -> Pattern:
    path = text.strip()
    if path[:2] in ("$", "$.", "$["):
        path = path[1:]
    elif not path.startswith("["):
        path = "." + path
    tokens: list[Token] = []
    position = 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if match is None:
            raise _error(text, f"cannot read {path[position:]!r}")
        tokens.append(_token(match, text))
        position = match.end()
    if all(token is Wildcard.ANY_DEPTH for token in tokens):
        raise _error(text, "it would ignore the whole prediction")
    return tuple(tokens)


def _token(match: re.Match[str], text: str) -> Token:
    if match["one"] or match["name"] == "*":
        return Wildcard.ONE
    if match["name"] == "**":
        return Wildcard.ANY_DEPTH
    if match["index"]:
        return int(match["index"])
    return _quoted(match["quoted"], text) if match["quoted"] else _plain(match["name"], text)


def _plain(name: str, text: str) -> str:
    if "*" in name:
        raise _error(text, f'* stands for a whole key; write ["{name}"] for a key of that name')
    return name


def _quoted(quoted: str, text: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise _error(text, f"{quoted} is not a JSON string") from None


def _error(text: str, reason: str) -> SettingsError:
    return SettingsError(
        f"SHADOW_IGNORE: {text!r} is not a path: {reason}. "
        "Write paths like id, meta.created_at, items[*].id, **.timestamp"
    )
