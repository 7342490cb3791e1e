"""The stopwatch: what a mirrored call costs production, from a sample of calls."""

from __future__ import annotations

import statistics
import sys
import time
from collections import deque
from collections.abc import Callable

_EVERY = 17  # a prime, so that no pattern in the traffic coincides with it
_NEVER = sys.maxsize
#: Below so many calls a second each is timed.
_FEW_CALLS = 64
_WINDOW_SECONDS = 10.0
_MOST_KEPT = 1024
#: Fewer calls say nothing.
_LEAST = 5


class Stopwatch:
    """Gathers how long our own code took on the calls that were timed. Thread-safe.

    `every` is read by each call: the one whose number it divides is timed.
    """

    def __init__(self, *, is_on: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """Time each call at first, and one in seventeen where there are many."""
        self._is_on = is_on
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget everything; for a forked child."""
        self.every = 1 if self._is_on else _NEVER
        self._fresh: deque[int] = deque(maxlen=_MOST_KEPT)
        self._kept: deque[tuple[float, int]] = deque(maxlen=_MOST_KEPT)

    def note(self, spent_ns: int) -> None:
        """Take what one mirrored call has cost."""
        self._fresh.append(spent_ns)

    def turn(self, *, is_held_back: bool) -> None:
        """Take in what was noted since the last turn, and say how many calls are timed until the next."""
        now = self._clock()
        fresh, self._fresh = self._fresh, deque(maxlen=_MOST_KEPT)
        self._kept.extend((now, spent) for spent in fresh)
        while self._kept and self._kept[0][0] < now - _WINDOW_SECONDS:
            self._kept.popleft()
        if self._is_on:
            is_quiet = is_held_back or len(fresh) * self.every < _FEW_CALLS
            self.every = 1 if is_quiet else _EVERY

    def seconds(self) -> float | None:
        """What a mirrored call has cost in the last ten seconds, or None where too few were timed.

        The median: by the wall clock a call that something else interrupts takes many times as long, and on
        a busy machine those would be what a mean tells of.
        """
        if len(self._kept) < _LEAST:
            return None
        return statistics.median(spent for _, spent in self._kept) / 1e9
