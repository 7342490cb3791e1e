"""Redaction: what must not stand in records and spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from shadow_mw.digests import Digest
from shadow_mw.fates import FATES, parse_entry
from shadow_mw.places import Fate, Path, Place

REDACTED = "[redacted]"
_CONTAINERS = (dict, list)
_SCALARS = frozenset((str, int, float, bool, type(None)))


class Redactor:
    """Masks, hashes or drops what is in a JSON value, by keys at any depth or by paths.

    Immutable, thread-safe. Keys are matched whole, in upper or lower case. What stands inside a string is
    not looked at. Where two
    entries say something of one value, `drop` counts before `mask`, and that before `hash`; what happens to
    an object or list happens to all that is in it. What is dropped from a list leaves null in its place.
    Where a path can't be followed, as a filter that fails, the whole value is masked.
    """

    def __init__(self, entries: Iterable[str], key: str = "") -> None:
        """Take entries as `SHADOW_REDACT` has them, and the key of hashes, without which they are masked."""
        parsed = [parse_entry(entry) for entry in entries]
        self._keys: dict[str, Fate] = {}
        for entry in parsed:
            if entry.key:
                self._keys[entry.key] = _stricter(self._keys.get(entry.key, "hash"), entry.fate)
        self._paths = [(Path(entry.path), entry.fate) for entry in parsed if entry.path]
        self._digest = Digest(key) if key else None

    def __repr__(self) -> str:
        """The keys and paths."""
        return f"Redactor({sorted(self._keys)}, {[path for path, _ in self._paths]})"

    def __call__(self, value: Any) -> Any:
        """A copy without what is to be hidden, or the value itself where there is nothing."""
        try:
            root = self._marked(value)
        except Exception:  # noqa: BLE001 whatever a filter trips over, what it was to hide must not be shown
            return REDACTED
        if root is None:
            return value
        holder = [value]
        self._cover(holder, root)
        return holder[0]

    def hidden(self, value: Any) -> Iterator[Any]:
        """The scalars and keys that the redacted copy lacks, some more than once."""
        try:
            root = self._marked(value)
        except Exception:  # noqa: BLE001 as above
            yield from leaves(value)
            return
        if root is None:
            return
        left: list[tuple[Any, Place | None]] = [([value], _above(root))]
        while left:
            holder, place = left.pop()
            for slot, child in _slots(holder):
                below = place.below.get(slot) if place else None
                if self._fate(holder, slot, below):
                    yield from leaves(child)
                elif isinstance(child, _CONTAINERS):
                    left.append((child, below))

    def fate_of(self, key: str) -> Fate | None:
        """What happens to the value of a key, wherever it is."""
        return self._keys.get(key.lower())

    def text(self, value: Any, fate: Fate) -> str:
        """What stands in place of a value that is masked or hashed."""
        if fate != "hash" or self._digest is None:
            return REDACTED
        try:
            return self._digest(value)
        except ValueError:
            return REDACTED

    def _marked(self, value: Any) -> Place | None:
        """The places that paths lead to, marked; None where nothing at all is to be hidden."""
        root = Place(value)
        is_found = False
        for path, fate in self._paths:
            for place in path.places(root):
                place.fate = _stricter(place.fate, fate) if place.fate else fate
                is_found = True
        return root if is_found or (self._keys and self._finds_key(value)) else None

    def _finds_key(self, value: Any) -> bool:
        # Loops with a stack of their own, here and below: nesting may be deeper than Python's stack.
        left = [value]
        while left:
            item = left.pop()
            if isinstance(item, dict):
                if not self._keys.keys().isdisjoint(map(_lowered, item)):
                    return True
                left += [child for child in item.values() if isinstance(child, _CONTAINERS)]
            elif isinstance(item, list) and not _SCALARS.issuperset(map(type, item)):
                left += [child for child in item if isinstance(child, _CONTAINERS)]
        return False

    def _cover(self, holder: list[Any], root: Place) -> None:
        """Replace what is in `holder` by a copy in which everything has met its fate."""
        left: list[tuple[Any, Place | None]] = [(holder, _above(root))]
        while left:
            copy, place = left.pop()
            for slot, child in _slots(copy):
                below = place.below.get(slot) if place else None
                if fate := self._fate(copy, slot, below):
                    self._meet(copy, slot, fate)
                elif isinstance(child, _CONTAINERS):
                    copy[slot] = child.copy()
                    left.append((copy[slot], below))

    def _fate(self, holder: Any, slot: Any, place: Place | None) -> Fate | None:
        by_path = place.fate if place else None
        by_key = self._keys.get(_lowered(slot)) if isinstance(holder, dict) else None
        return _stricter(by_path, by_key) if by_path and by_key else by_path or by_key

    def _meet(self, copy: Any, slot: Any, fate: Fate) -> None:
        if fate != "drop":
            copy[slot] = self.text(copy[slot], fate)
        elif isinstance(copy, dict):
            del copy[slot]
        else:
            copy[slot] = None


def leaves(value: Any) -> Iterator[Any]:
    """The scalars in a JSON value, and the keys of its objects."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield from item
            left += item.values()
        elif isinstance(item, list):
            left += item
        else:
            yield item


def _above(root: Place) -> Place:
    """A place of which `root` is the only item."""
    above = Place([root.value])
    above.below[0] = root
    return above


def _slots(holder: Any) -> list[tuple[Any, Any]]:
    return list(holder.items() if isinstance(holder, dict) else enumerate(holder))


def _stricter(one: Fate, other: Fate) -> Fate:
    return max(one, other, key=FATES.index)


def _lowered(key: object) -> str:
    return str(key).lower()
