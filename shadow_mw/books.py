"""The closed books: what became of every eligible request, for each route and shadow."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping

from shadow_mw.restraints import Restraints

Key = tuple[str, str]


class Books:
    """Counts by route and shadow, added to by both sides of the queue. Thread-safe."""

    def __init__(self) -> None:
        """Begin with empty books."""
        self.reset()

    def reset(self) -> None:
        """Forget everything; for a forked child, whose parent goes on counting what was."""
        self._lock = threading.Lock()
        self._totals: dict[Key, Counter[str]] = {}
        self._taken: dict[Key, Counter[str]] = {}
        self.restraints = Restraints()
        """Beside the counts: who holds back at this moment, and why."""

    def add(self, route: str, shadows: Iterable[str], *words: str) -> None:
        """Count each word (`eligible`, a bucket, a skip, `agree`, …) once for each shadow."""
        with self._lock:
            for shadow in shadows:
                counts = self._totals.get((route, shadow))
                if counts is None:
                    counts = self._totals[route, shadow] = Counter()
                for word in words:
                    counts[word] += 1

    def add_many(self, route: str, shadow: str, counts: Mapping[str, int]) -> None:
        """Add several counts at once."""
        with self._lock:
            self._totals.setdefault((route, shadow), Counter()).update(counts)

    def totals(self) -> dict[Key, dict[str, int]]:
        """A copy of all counts since the start."""
        with self._lock:
            return {key: dict(counts) for key, counts in self._totals.items()}

    def take(self) -> dict[Key, dict[str, int]]:
        """What was added since the last `take`, without zeros."""
        with self._lock:
            added = {key: counts - self._taken.get(key, Counter()) for key, counts in self._totals.items()}
            self._taken = {key: Counter(counts) for key, counts in self._totals.items()}
        return {key: dict(counts) for key, counts in added.items() if counts}

    def give_back(self, taken: Mapping[Key, Mapping[str, int]]) -> None:
        """Undo a `take` whose counts could not be kept, so that the next one brings them."""
        with self._lock:
            for key, counts in taken.items():
                self._taken[key].subtract(counts)
