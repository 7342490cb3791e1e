"""Allowance: how much CPU a process of ours may use now."""

from __future__ import annotations

import time
from collections.abc import Callable

from shadow_mw.caps.quota import Quota, shared_quota

#: What is left to it of a quota that others use up, so that what it has taken comes to an end.
_LEAST_SHARE = 0.02
#: How long it stays where it is after the quota ran out, and by how much it grows with each look then.
_HOLD_SECONDS = 2.0
_GROWTH = 1.1
_LONGEST_PAUSE_SECONDS = 1.0


class Allowance:
    """CPU in cores: a cap, and less where a quota that it shares with production runs out.

    Priorities are of no help there: what a process of the lowest priority has used of a quota, production
    lacks before the period ends, and all of them are stopped. So half of what was used is given up each time
    the quota ran out, and taken back slowly while it does not.
    """

    def __init__(
        self, cap: float | None, quota: Quota | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep within `cap`, and yield in `quota`; either may be None."""
        self._cap = cap
        self._quota = quota
        self._clock = clock
        self._share: float | None = None
        self._debt_seconds = 0.0
        self._times_throttled = quota.times_throttled if quota else 0
        self._held_until = clock()

    @classmethod
    def here(cls, cap: float | None) -> Allowance:
        """Within the quota that this process has over it, if any."""
        return cls(cap, shared_quota())

    def __repr__(self) -> str:
        """How much it is."""
        return f"Allowance({self.cores}, {self._quota!r})"

    @property
    def is_endless(self) -> bool:
        """True where there is nothing to keep."""
        return self._cap is None and self._quota is None

    @property
    def cores(self) -> float | None:
        """How much may be used; None is as much as there is."""
        known = [cores for cores in (self._cap, self._share) if cores is not None]
        return min(known, default=None)

    def pause_seconds(self, used_seconds: float, seconds: float) -> float:
        """How long to do nothing, where so much CPU was used in the last `seconds`; a second at most."""
        self._look(used_seconds / seconds if seconds > 0 else 0.0)
        cores = self.cores
        if cores is None:
            self._debt_seconds = 0.0
            return 0.0
        self._debt_seconds = max(self._debt_seconds + used_seconds - cores * seconds, 0.0)
        return min(self._debt_seconds / cores, _LONGEST_PAUSE_SECONDS)

    def _look(self, used_cores: float) -> None:
        if self._quota is None:
            return
        before, self._times_throttled = self._times_throttled, self._quota.times_throttled
        if self._times_throttled > before:
            least = _LEAST_SHARE * self._quota.cores
            self._share = max(min(used_cores, self.cores or used_cores) / 2, least)
            self._held_until = self._clock() + _HOLD_SECONDS
        elif self._share is not None and self._clock() >= self._held_until:
            grown = self._share * _GROWTH
            self._share = None if grown >= self._quota.cores else grown
