"""The latest latencies of one side, as a worker keeps them."""

from __future__ import annotations

from collections import deque
from threading import Lock

from shadow_mw.snapshots import Latency


class LatencyWindow:
    """The latest `size` latencies of one side, in seconds. Thread-safe."""

    def __init__(self, size: int = 1000) -> None:
        """Begin empty."""
        self._lock = Lock()
        self._latest: deque[float] = deque(maxlen=size)

    def __repr__(self) -> str:
        """How full it is."""
        return f"LatencyWindow({len(self._latest)} of {self._latest.maxlen})"

    def add(self, seconds: float) -> None:
        """Take one more; the oldest goes when the window is full."""
        with self._lock:
            self._latest.append(seconds)

    def snapshot(self) -> Latency:
        """Median and 95th percentile of what is in the window, by nearest rank: always values that occurred.

        `count` is the number of latencies in the window.
        """
        with self._lock:
            ordered = sorted(self._latest)
        if not ordered:
            return Latency()
        return Latency(
            count=len(ordered),
            p50_seconds=_nearest_rank(ordered, 50),
            p95_seconds=_nearest_rank(ordered, 95),
        )


def _nearest_rank(ordered: list[float], percent: int) -> float:
    """The smallest value that at least `percent` of all do not exceed."""
    rank = -(-percent * len(ordered) // 100)
    return ordered[rank - 1]
