"""Restraints: by how much the server processes of an app hold their mirroring back now, and why."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import msgspec

#: A process that holds back says so every second, through a broker every two.
_KEPT_SECONDS = 10.0


class Restraint(msgspec.Struct, frozen=True, kw_only=True):
    """By how much one process holds back. Immutable."""

    origin: str
    """Names the process; unlike its number it never repeats."""
    share: float = 1.0
    """How much is mirrored of what `SHADOW_SAMPLE_RATE` asks for; 1.0 where nothing is held back."""
    reason: str = ""
    """Why, as half a sentence with the reading and its limit."""


class Restraints:
    """The latest word of each process, forgotten when it is not repeated. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nobody who holds back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, Restraint]] = {}

    def tell(self, restraints: Iterable[Restraint]) -> None:
        """Take the latest word of some processes."""
        now = self._clock()
        with self._lock:
            for one in restraints:
                self._told[one.origin] = now, one

    def current(self) -> tuple[Restraint, ...]:
        """What was told lately, also of processes that have just stopped to hold back."""
        oldest = self._clock() - _KEPT_SECONDS
        with self._lock:
            self._told = {name: told for name, told in self._told.items() if told[0] >= oldest}
            return tuple(one for _, one in self._told.values())

    def tightest(self) -> Restraint | None:
        """Of the processes that hold back the one that does so most; None where none does."""
        held = [one for one in self.current() if one.share < 1.0]
        return min(held, key=lambda one: one.share, default=None)
