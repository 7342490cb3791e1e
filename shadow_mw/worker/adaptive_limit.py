"""The adaptive limit: how many calls a shadow is asked at once, by how it bears them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import anyio

_BATCH = 10
#: Calls one at a time tell how fast the shadow is when nothing else is asked of it.
_PROBES = 5
_BASELINE_SECONDS = 60.0
_NEAR, _FAR = 1.5, 2.0
#: Differences below this are the noise of a busy worker, not of a shadow.
_SLACK_SECONDS = 0.002
_SLOWER, _OVERLOADED = 0.75, 0.5


class AdaptiveLimit:
    """Between 1 and a cap, by additive increase and multiplicative decrease. Used on one event loop only.

    As Envoy's adaptive concurrency does, it takes the latency at one call at a time for the baseline and
    measures it anew each minute. A limit that follows latency is TCP Vegas' idea (Brakmo and Peterson, 1995);
    to halve it where the other side is overloaded is TCP's own (RFC 5681, section 3.1). A batch of calls
    whose median is more than twice the baseline takes a quarter off; one that is near it, while the pool was
    full, adds one call.
    """

    def __init__(self, cap: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with one call at a time; never allow more than `cap`."""
        self._cap = cap
        self._clock = clock
        self._limiter = anyio.CapacityLimiter(1)
        self._goal = 1
        self._baseline: float | None = None
        self._measured_at = clock()
        self._changed_at = float("-inf")
        self._batch: list[float] = []
        self._was_full = False

    def __repr__(self) -> str:
        """The limit and what it rests on."""
        return f"AdaptiveLimit({self.limit} of {self._cap}, baseline={self._baseline})"

    @property
    def limit(self) -> int:
        """How many calls may be under way at once."""
        return int(self._limiter.total_tokens)

    @property
    def place(self) -> anyio.CapacityLimiter:
        """An asynchronous context manager that holds one place, once there is one."""
        return self._limiter

    def ended(self, began_at: float, seconds: float, *, active: int) -> None:
        """Learn from an answer: when it was asked for by the same clock, how long it took, among how many."""
        if began_at < self._changed_at:
            return  # it tells of the limit before
        self._batch.append(seconds)
        self._was_full = self._was_full or active >= self.limit
        if self._baseline is None:
            self._probe()
        elif len(self._batch) >= _BATCH:
            self._judge(self._baseline)

    def overloaded(self, began_at: float) -> None:
        """Learn from a timeout, or from a shadow that says that it is asked too much."""
        if began_at >= self._changed_at:
            self._goal = max(int(self._goal * _OVERLOADED), 1)
            self._change(self._goal if self._baseline is not None else 1)

    def _probe(self) -> None:
        if len(self._batch) >= _PROBES:
            self._baseline = statistics.median(self._batch)
            self._measured_at = self._clock()
            self._change(self._goal)

    def _judge(self, baseline: float) -> None:
        median, was_full = statistics.median(self._batch), self._was_full
        if self._clock() - self._measured_at >= _BASELINE_SECONDS:
            self._baseline = None
            self._change(1)
        elif median > _FAR * baseline + _SLACK_SECONDS:
            self._goal = max(int(self._goal * _SLOWER), 1)
            self._change(self._goal)
        elif was_full and median <= _NEAR * baseline + _SLACK_SECONDS and self._goal < self._cap:
            self._goal += 1
            self._change(self._goal)
        else:
            self._begin_batch()

    def _change(self, limit: int) -> None:
        self._limiter.total_tokens = limit
        self._changed_at = self._clock()
        self._begin_batch()

    def _begin_batch(self) -> None:
        self._batch = []
        self._was_full = False
