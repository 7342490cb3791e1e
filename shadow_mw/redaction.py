"""Redaction: what must not stand in records and spans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

REDACTED = "[redacted]"
_CONTAINERS = (dict, list)
_SCALARS = frozenset((str, int, float, bool, type(None)))


class Redactor:
    """Replaces the values of sensitive keys, at any depth of a JSON value. Immutable, thread-safe.

    Keys are matched whole, in upper or lower case. What stands inside a string is not looked at.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        """Take the keys whose values are replaced."""
        self._keys = frozenset(key.lower() for key in keys)

    def __repr__(self) -> str:
        """The keys."""
        return f"Redactor({sorted(self._keys)})"

    def __call__(self, value: Any) -> Any:
        """A copy with `[redacted]` in place of secrets, or the value itself where there is none."""
        return self._copied(value) if self._keys and self._finds_key(value) else value

    def _is_secret(self, key: object) -> bool:
        return _lowered(key) in self._keys

    def _finds_key(self, value: Any) -> bool:
        # Loops with a stack of their own, here and below: nesting may be deeper than Python's stack.
        left = [value]
        while left:
            item = left.pop()
            if isinstance(item, dict):
                if not self._keys.isdisjoint(map(_lowered, item)):
                    return True
                left += [child for child in item.values() if isinstance(child, _CONTAINERS)]
            elif isinstance(item, list) and not _SCALARS.issuperset(map(type, item)):
                left += [child for child in item if isinstance(child, _CONTAINERS)]
        return False

    def _copied(self, value: Any) -> Any:
        root = [value]
        left: list[Any] = [root]
        while left:
            copy = left.pop()
            for slot, child in list(copy.items() if isinstance(copy, dict) else enumerate(copy)):
                if isinstance(copy, dict) and self._is_secret(slot):
                    copy[slot] = REDACTED
                elif isinstance(child, _CONTAINERS):
                    copy[slot] = child.copy()
                    left.append(copy[slot])
        return root[0]


def _lowered(key: object) -> str:
    return str(key).lower()
