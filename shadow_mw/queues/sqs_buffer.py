"""What waits in an app for SQS: bounded, each message with somebody who wants to hear how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from shadow_mw.boundary import Guard
from shadow_mw.queues.sqs_client import MOST
from shadow_mw.queues.sqs_envelope import Parcel
from shadow_mw.records import Bucket, Envelope

#: What an envelope takes beside its value.
_ENVELOPE_BYTES = 1024
#: No pause is longer than this once the app wants to end.
_LAST_PAUSE_SECONDS = 0.1

Report: TypeAlias = Callable[[Bucket | None], None]


class Item:
    """One envelope on its way."""

    __slots__ = ("attempts", "due_at", "envelope", "gives_up_at", "parcel", "report", "size_bytes")

    def __init__(self, envelope: Envelope, report: Report, gives_up_at: float) -> None:
        """Wait until `gives_up_at` at most."""
        self.envelope = envelope
        self.report = report
        self.gives_up_at = gives_up_at
        self.due_at = 0.0
        self.attempts = 0
        self.parcel: Parcel | None = None
        self.size_bytes = len(envelope.value) + _ENVELOPE_BYTES


class Buffer:
    """A bounded line of envelopes between an event loop and one thread that takes from it.

    Each is reported once, on the loop: what was taken out and not settled goes back, or is settled by `cut`.
    """

    def __init__(self, *, size: int, size_bytes: int, gather_seconds: float, is_ordered: bool) -> None:
        """Hold at most `size` envelopes of `size_bytes`; what is put back goes first where order matters."""
        self._size = size
        self._size_bytes = size_bytes
        self._gather_seconds = gather_seconds
        self._is_ordered = is_ordered
        self._changed = threading.Condition()
        self._line: deque[Item] = deque()
        self._aside: list[Item] = []
        self._open: dict[Item, None] = {}
        self._open_bytes = 0
        self._told: list[tuple[Report, Bucket | None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard = Guard("reporting what became of an exchange")
        self.is_closing = False
        self._is_cut = False

    def __len__(self) -> int:
        """How many are on their way."""
        return len(self._open)

    def add(self, item: Item) -> bool:
        """Take an envelope; False when there is no room. Called on the loop."""
        self._loop = self._loop or asyncio.get_running_loop()
        with self._changed:
            is_full = len(self._open) >= self._size or self._open_bytes + item.size_bytes > self._size_bytes
            if self.is_closing or (is_full and self._open):
                return False
            self._open[item] = None
            self._open_bytes += item.size_bytes
            self._line.append(item)
            if len(self._line) in (1, MOST):  # waking the thread for each costs more than all the rest here
                self._changed.notify_all()
        return True

    def take(self) -> list[Item]:
        """At most ten that are due, in their order; waits for them, and is empty at the end only."""
        with self._changed:
            while not self._is_cut:
                self._give_up()
                if self._is_due():
                    self._wait(self._gather_seconds, lambda: len(self._line) >= MOST)
                    return self._popped()
                if self.is_closing and not self._open:
                    break
                self._tell()
                self._changed.wait(self._until_due())
        return []

    def put_back(self, items: Iterable[Item], pauses: Callable[[int], float]) -> None:
        """Have those that are not settled taken again, each after its own pause or all as they stood."""
        with self._changed:
            left = [item for item in items if item in self._open]
            for item in left:
                item.attempts += 1
                item.due_at = time.monotonic() + (0.0 if self._is_ordered else pauses(item.attempts))
            if self._is_ordered:
                self._line.extendleft(reversed(left))
            else:
                self._aside += left

    def pause(self, seconds: float) -> None:
        """Wait, though not long once the app wants to end."""
        with self._changed:
            self._tell()
            self._wait(seconds, lambda: False)
            if self.is_closing:
                self._changed.wait_for(lambda: self._is_cut, min(seconds, _LAST_PAUSE_SECONDS))

    def settle(self, items: Iterable[Item], bucket: Bucket | None) -> None:
        """Note how these ended; what ended before stays so."""
        with self._changed:
            for item in items:
                self._settle(item, bucket)

    def tell(self) -> None:
        """Report what was noted, on the loop."""
        with self._changed:
            self._tell()

    def close(self) -> None:
        """Take no more, and let the thread end when all is settled."""
        with self._changed:
            self.is_closing = True
            self._changed.notify_all()

    def cut(self) -> None:
        """Settle what is left as `queue_full`, and report at once; called on the loop."""
        with self._changed:
            self._is_cut = True
            for item in list(self._open):
                self._settle(item, "queue_full")
            told, self._told = self._told, []
            self._changed.notify_all()
        self.report(told)

    def report(self, told: Sequence[tuple[Report, Bucket | None]]) -> None:
        """Tell each how it ended, whatever one of them does then."""
        for report, bucket in told:
            with self._guard:
                report(bucket)

    def _is_due(self) -> bool:
        now = time.monotonic()
        return bool(self._line) or any(item.due_at <= now or self.is_closing for item in self._aside)

    def _popped(self) -> list[Item]:
        now = time.monotonic()
        due = [item for item in self._aside if item.due_at <= now or self.is_closing][:MOST]
        for item in due:
            self._aside.remove(item)
        while self._line and len(due) < MOST:
            due.append(self._line.popleft())
        return due

    def _until_due(self) -> float | None:
        if not self._aside:
            return None
        soonest = min(min(item.due_at, item.gives_up_at) for item in self._aside)
        return max(soonest - time.monotonic(), 0.0)

    def _give_up(self) -> None:
        now = time.monotonic()
        while self._line and self._line[0].gives_up_at <= now:
            self._settle(self._line.popleft(), "queue_full")
        for item in [item for item in self._aside if item.gives_up_at <= now]:
            self._aside.remove(item)
            self._settle(item, "queue_full")

    def _settle(self, item: Item, bucket: Bucket | None) -> None:
        if item in self._open:
            del self._open[item]
            self._open_bytes -= item.size_bytes
            self._told.append((item.report, bucket))

    def _wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: self.is_closing or is_over(), seconds)

    def _tell(self) -> None:
        told, self._told = self._told, []
        if told and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
                self._loop.call_soon_threadsafe(self.report, told)
