"""Queues whose worker is another process on the same host: `process:` and `unix:`."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from shadow_mw.books import Books
from shadow_mw.boundary import Guard, tell
from shadow_mw.frames import Counts, Done, Flush, Logged, Snapshot, ToApp, ToWorker
from shadow_mw.protocols import Draft
from shadow_mw.queues.inline import InlineQueue
from shadow_mw.queues.keeper import Keeper, Reach
from shadow_mw.queues.outbox import Kept, Outbox, Partly, kept_of
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange, Message
from shadow_mw.snapshots import Statistics


class LinkQueue:
    """A queue that ends in another process. Never blocks a request; thread-safe, fork-safe.

    The keeper's thread starts on first use. An exchange that was sent and not acknowledged when the
    connection breaks is booked as `worker_lost`.
    """

    def __init__(
        self,
        reach: Reach,
        books: Books,
        *,
        shadows: tuple[str, ...],
        size: int,
        size_bytes: int,
        fallback: Callable[[], InlineQueue] | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Hold at most `size` exchanges with `size_bytes` bytes while the worker is away or behind.

        `beat` is called about every second while the keeper runs.
        """
        self._beat = beat
        self._make_fallback = fallback
        self._reach = reach
        self._books = books
        self._shadows = shadows
        self._size = size
        self._size_bytes = size_bytes
        self._guard = Guard("handing an exchange over")
        self._keeper: Keeper | None = None
        self.reset()

    def __repr__(self) -> str:
        """How it is reached, and its fill."""
        return f"LinkQueue({self._reach!r}, {self._outbox!r})"

    def reset(self) -> None:
        """Begin anew in a forked child: socket and keeper are the parent's."""
        if self._keeper is not None:
            self._keeper.disown()
        self.statistics: Statistics | None = None
        self._lock = threading.Lock()
        self._keeper = None
        self._is_off = False
        self._is_closed = False
        self._fallback: InlineQueue | None = None
        self._answer = threading.Condition()
        self._answered = 0
        self._asked = 0
        self._outbox = Outbox(
            size=self._size, size_bytes=self._size_bytes, wake=self._wake, spoilt=self._lose_one
        )

    def start(self) -> None:
        """Start the keeper if it does not run."""
        with self._guard:
            self._ensure_keeper()

    def offer(self, message: Message) -> bool:
        """Hand a message over; False when there is no room. Never blocks, never raises."""
        with self._guard:
            if self._fallback is not None:
                return self._fallback.offer(message)
            self._ensure_keeper()
            has_room = self._outbox.offer(message)
            if self._is_off:
                self._clear_line()
            return has_room
        return False

    def offer_later(self, draft: Draft) -> bool:
        """Have the keeper put an exchange together and send it, along with others; else as `offer`."""
        try:
            if self._fallback is not None:
                return self._fallback.offer_later(draft)
            self._ensure_keeper()
            has_room = self._outbox.offer_later(draft)
            if self._is_off:
                self._clear_line()
        except Exception as error:  # noqa: BLE001 the guard's own boundary
            self._guard.note(error)
            return False
        return has_room

    def drain(self, seconds: float) -> bool:
        """Wait until all that was handed over is judged, stored and exported; False at the deadline."""
        deadline = time.monotonic() + seconds
        is_done = self._is_left() or self._flush(seconds)
        if self._fallback is not None:
            return self._fallback.drain(deadline - time.monotonic())
        return is_done

    def close(self, seconds: float) -> None:
        """Send what waits and hang up; the worker goes on by itself with what it was given."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close(seconds)
            self._clear_line()
        with self._lock:
            self._is_closed = self._keeper is None  # unless somebody offered meanwhile
        if self._fallback is not None:
            self._fallback.close(seconds)

    def _is_left(self) -> bool:
        """True when no worker has anything of ours, or is to get it."""
        if self._fallback is not None:
            return True  # which writes the counts itself, unless we take them
        # What a close has cost waits in the books for the next worker, and that one may never come.
        return self._is_closed and self._outbox.is_empty()

    def _flush(self, seconds: float) -> bool:
        self._ship_counts()
        if self._keeper is None and self._outbox.is_empty():
            return True  # never used
        with self._answer:
            self._asked += 1
            token = self._asked
        self._outbox.push(Flush(token))
        self.start()
        with self._answer:
            return self._answer.wait_for(lambda: self._answered >= token or self._is_off, seconds)

    def _ensure_keeper(self) -> None:
        if self._keeper is not None and self._keeper.is_alive:
            return
        with self._lock:
            if self._is_missing():
                self._is_closed = False
                self._keeper = Keeper(
                    self._reach,
                    self._outbox,
                    received=self._received,
                    tick=self._ship_counts,
                    broken=self._broken,
                    beat=self._beat,
                    given_up=self._give_up,
                )

    def _is_missing(self) -> bool:
        return not self._is_off and (self._keeper is None or not self._keeper.is_alive)

    def _wake(self) -> None:
        keeper = self._keeper
        if keeper is not None:
            keeper.wake()

    def _ship_counts(self) -> None:
        """Send what our side added to the books; a broken connection costs what was on its way."""
        taken, restraints = self._books.take(), self._books.restraints.current()
        if taken or restraints:
            added = tuple((route, shadow, counts) for (route, shadow), counts in taken.items())
            self._outbox.push(Counts(added, restraints))

    def _received(self, frame: ToApp) -> None:
        if isinstance(frame, Done):
            self._outbox.acknowledge(frame.numbers, frame.parts)
        elif isinstance(frame, Logged):
            tell(frame.level, "%s", frame.text)
        elif isinstance(frame, Snapshot):
            self.statistics = frame.statistics
            with self._answer:
                self._answered = max(self._answered, frame.token)
                self._answer.notify_all()

    def _broken(self) -> None:
        self._lose(self._outbox.detach())
        if self._answered < self._asked:
            self._outbox.push(Flush(self._asked))  # the one that was sent went with the connection

    def _give_up(self) -> None:
        if self._reach.is_impossible and self._make_fallback is not None:
            self._fallback = self._make_fallback()
        self.statistics = None  # of a worker that is gone; our own books go on
        self._clear_line()
        self._is_off = True  # and now what was offered meanwhile
        self._clear_line()
        with self._answer:
            self._answer.notify_all()

    def _clear_line(self) -> None:
        """Give what waits to the fallback, or book it as lost."""
        for message in self._outbox.abandon():
            if not self._is_taken_over(message):
                self._lose_one(kept_of(message))

    def _is_taken_over(self, message: ToWorker | Draft) -> bool:
        if self._fallback is None or isinstance(message, Counts | Flush):
            return False
        if isinstance(message, Exchange | CapturedRequest | CapturedResponse):
            return self._fallback.offer(message)
        return self._fallback.offer_later(message)

    def _lose_one(self, lost: Kept) -> None:
        self._lose([lost])

    def _lose(self, lost: Sequence[Kept]) -> None:
        """Book exchanges as lost, for shadows without a comparison; counts that did not arrive go again."""
        places: Counter[tuple[str, str]] = Counter()
        for one in lost:
            if isinstance(one, Counts):
                self._books.give_back({(route, shadow): counts for route, shadow, counts in one.added})
            elif isinstance(one, Partly):
                left = (shadow for shadow in self._shadows if shadow not in one.settled)
                places.update((one.route, shadow) for shadow in left)
            elif isinstance(one, str) and one:
                places.update((one, shadow) for shadow in self._shadows)
        for (route, shadow), count in places.items():
            self._books.add_many(route, shadow, {"eligible": count, "worker_lost": count})
