"""The `inline:` queue: the worker runs in the app's own process, on one thread with a loop of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

import anyio

from shadow_mw.boundary import Guard, tell
from shadow_mw.forks import ForkLock
from shadow_mw.protocols import Delivery, Draft, Source
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange, Message

_log = logging.getLogger("shadow_mw")
_RESTART_SECONDS = 5.0
_BEAT_SECONDS = 1.0
#: What a cancelled worker gets to write its last batch and to close its connections.
_LAST_WORDS_SECONDS = 1.0
#: Held while an engine is built, and by a fork: one in the middle of an import would leave the child half
#: a module for good.
_building = ForkLock()


class Engine(Protocol):
    """What a queue runs on its thread: the worker."""

    async def run(self, source: Source) -> None:
        """Work off the source until it ends; cancelled when the deadline of a drain has passed."""
        ...

    async def flush(self) -> None:
        """Bring everything that is judged to the store and the exporters."""
        ...


class InlineQueue:
    """A bounded hand-over to a worker thread that starts on first use. Thread-safe, fork-safe.

    Holds at most `size` exchanges and `size_bytes` bytes of bodies until they are done with; the newest
    is refused. The thread has its own event loop, so that the app may run on any loop or on none, and
    so that a comparator which blocks can't block the app's.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        *,
        lost: Callable[[list[Message]], None],
        size: int,
        size_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Build the engine on its thread, on first use; messages that no engine took go to `lost`.

        `beat` is called every second on that thread.
        """
        self.beat = beat
        self._make_engine = engine
        self._lost = lost
        self._size = size
        self._size_bytes = size_bytes
        self._clock = clock
        self._guard = Guard("handing an exchange over")
        self.reset()

    def __repr__(self) -> str:
        """How full it is."""
        return f"InlineQueue(held={self._held}, held_bytes={self._held_bytes})"

    def reset(self) -> None:
        """Forget everything; for a forked child, in which the thread does not exist."""
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._line: deque[_Delivery] = deque()
        self._held = 0
        self._held_bytes = 0
        self._run: _Run | None = None
        self._last_start = float("-inf")

    def start(self) -> None:
        """Start the worker's thread if it does not run."""
        with self._guard, self._lock:
            self._ensure_run()

    def offer(self, message: Message) -> bool:
        """Hand a message over; False when there is no room. Never blocks, never raises."""
        with self._guard:
            return self._offer(message, *_room_for(message))
        return False

    def offer_later(self, draft: Draft) -> bool:
        """Hand an exchange over at once: another thread would put it together at the same cost to the app."""
        with self._guard:
            return self.offer(draft.message())
        return False

    def drain(self, seconds: float) -> bool:
        """Wait until all that was handed over is judged, stored and exported; False at the deadline."""
        deadline = time.monotonic() + seconds
        with self._lock:
            run = self._run
            if not self._idle.wait_for(lambda: self._held == 0, seconds):
                return False
        return run is None or run.call(run.flush, deadline - time.monotonic())

    def close(self, seconds: float) -> None:
        """Drain, then stop the thread; a later offer starts it again."""
        with self._lock:
            run, self._run = self._run, None
        if run is not None:
            run.stop(seconds)

    def _offer(self, message: Message, entries: int, size_bytes: int) -> bool:
        with self._lock:
            if self._held + entries > self._size or self._held_bytes + size_bytes > self._size_bytes:
                return False
            run = self._ensure_run()
            if run is not None:
                self._held += entries
                self._held_bytes += size_bytes
                self._line.append(_Delivery(self, message, entries, size_bytes))
        if run is None:
            self._lost([message])
        else:
            run.wake()
        return True

    def _ensure_run(self) -> _Run | None:
        if self._run is not None and self._run.is_alive:
            return self._run
        now = self._clock()
        crashed = self._run is not None
        if crashed and now - self._last_start < _RESTART_SECONDS:
            return None
        self._last_start = now
        self._run = _Run(self, self._make_engine)
        return self._run

    def take(self) -> _Delivery | None:
        """The next message, or None; called on the worker's thread."""
        with self._lock:
            return self._line.popleft() if self._line else None

    def abandon(self) -> None:
        """Let go of what is in the line, because the thread that would take it has ended."""
        left = []
        while (delivery := self.take()) is not None:
            left.append(delivery.message)
            delivery.done()
        self._lost(left)

    def release(self, delivery: _Delivery) -> None:
        """Give the room of a delivery back."""
        with self._lock:
            self._held -= delivery.entries
            self._held_bytes -= delivery.size_bytes
            if self._held == 0:
                self._idle.notify_all()


class _Delivery:
    """One message with the room it holds."""

    __slots__ = ("_is_done", "_offered_at", "_queue", "entries", "message", "size_bytes")
    is_kept = False
    is_withdrawn = False
    may_be_repeated = False
    settled: frozenset[str] = frozenset()

    def __init__(self, queue: InlineQueue, message: Message, entries: int, size_bytes: int) -> None:
        self._queue = queue
        self._offered_at = time.monotonic()
        self._is_done = False
        self.message = message
        self.entries = entries
        self.size_bytes = size_bytes

    @property
    def waited_seconds(self) -> float:
        return time.monotonic() - self._offered_at

    def acknowledge_part(self, shadow: str) -> None:
        """Nothing, as `acknowledge`."""

    def acknowledge(self) -> None:
        """Nothing: what is lost here is lost with the app."""

    def done(self) -> None:
        if not self._is_done:
            self._is_done = True
            self._queue.release(self)


class _Run:
    """One life of the worker's thread, and the source that its engine reads."""

    def __init__(self, queue: InlineQueue, make_engine: Callable[[], Engine]) -> None:
        self._queue = queue
        self._make_engine = make_engine
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: Callable[[], object] | None = None
        self._cancel: Callable[[], object] | None = None
        self._is_stopping = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="shadow_mw", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def wake(self) -> None:
        wake = self._wake
        if wake is not None:
            wake()

    async def flush(self) -> None:
        if self._engine is not None:
            await self._engine.flush()

    def call(self, function: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> bool:
        """Run a coroutine function on the worker's loop; False when the deadline came first."""
        if not self._ready.wait(max(seconds, 0.0)) or self._loop is None or self._loop.is_closed():
            return False
        try:
            asyncio.run_coroutine_threadsafe(function(), self._loop).result(max(seconds, 0.0))
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            return False
        return True

    def stop(self, seconds: float) -> None:
        self._is_stopping = True
        self.wake()
        if self._thread is threading.current_thread():
            return  # the garbage collector may close a queue from its own thread
        self._thread.join(seconds)
        if self._thread.is_alive() and self._cancel is not None:
            self._cancel()
            self._thread.join(_LAST_WORDS_SECONDS)

    def _main(self) -> None:
        try:
            asyncio.run(self._live())  # anyio.run would import its backend first, outside of the lock
        except Exception as error:  # noqa: BLE001 the last boundary of this thread; logged, and booked as lost
            tell(logging.ERROR, "the mirror's worker stopped; production is not affected", error=error)
        self._ready.set()
        self._queue.abandon()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        arrived = self._arrived = asyncio.Event()
        with _building:
            self._engine = self._make_engine()
        self._beat_each_second(self._loop)
        with anyio.CancelScope() as scope:
            self._cancel = lambda: self._soon(scope.cancel)
            self._wake = lambda: None if arrived.is_set() else self._soon(arrived.set)
            self._ready.set()
            await self._engine.run(self)

    def _beat_each_second(self, loop: asyncio.AbstractEventLoop) -> None:
        self._queue.beat()
        loop.call_later(_BEAT_SECONDS, self._beat_each_second, loop)

    def _soon(self, function: Callable[[], object]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            _log.debug("the worker's loop is closed")

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while True:
            delivery = self._queue.take()
            if delivery is not None:
                yield delivery
            elif self._is_stopping:
                return
            else:
                await self._arrived.wait()
                self._arrived.clear()


def _room_for(message: Message) -> tuple[int, int]:
    """The entries and bytes that a message takes; the second half of an exchange takes no new entry."""
    if isinstance(message, Exchange):
        return 1, len(message.request.body) + len(message.response.body)
    if isinstance(message, CapturedRequest):
        return 1, len(message.body)
    assert isinstance(message, CapturedResponse)
    return 0, len(message.body)
