"""The forwarder: in place of a worker where the queue is a broker; brings what the app has to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import anyio
import anyio.to_thread
import msgspec

from shadow_mw.books import Books
from shadow_mw.boundary import Guard
from shadow_mw.broker_protocols import Sender
from shadow_mw.envelope import Sealer
from shadow_mw.frames import Counts
from shadow_mw.protocols import Delivery, Source, Store
from shadow_mw.records import Bucket, CapturedRequest, Exchange, Message, Mode, Tally
from shadow_mw.snapshots import ShadowStatistics, Statistics

_SHIP_SECONDS = 2.0
#: What a cancelled forwarder gets to tell the broker and the store what it still holds.
_LAST_WORDS_SECONDS = 0.8
_MINUTE_US = 60_000_000


class Forwarder:
    """Seals exchanges and sends them, and the app's counts after them. Used on one event loop only.

    An exchange is acknowledged to the app when the broker has it, or when it is counted as dropped and that
    count is safe.
    """

    def __init__(
        self,
        sender: Sender,
        sealer: Sealer,
        books: Books,
        *,
        service: str,
        shadows: tuple[ShadowStatistics, ...],
        store: Store | None,
        flush_seconds: float,
    ) -> None:
        """Take what is sent by whom; counts that the broker can't have at the end go to the `store`.

        `shadows` are the snapshots of shadows that nobody was asked of yet.
        """
        self._sender = sender
        self._service = service
        self._sealer = sealer
        self._books = books
        self._shadows = shadows
        self._names = tuple(shadow.shadow for shadow in shadows)
        self._store = store
        self._flush_seconds = flush_seconds
        self._open = 0
        self._is_shipping = False
        self._callbacks: list[Callable[[], None]] = []
        self._moved = anyio.Event()
        self._guard = Guard("bringing an exchange to the broker")

    def __repr__(self) -> str:
        """How much is on its way."""
        return f"Forwarder(open={self._open})"

    async def run(self, source: Source) -> None:
        """Forward what the source has until it ends, then bring the rest to the broker."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._ship_again_and_again)
                async for delivery in source.deliveries():
                    self._take(delivery)
                await self.flush()
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._stop()

    async def flush(self) -> None:
        """Wait until the broker has everything and the counts too; gives up after the deadline of a drain."""
        with anyio.move_on_after(self._flush_seconds):
            await self._until(lambda: self._open == 0)
            self._ship()
            await self._until(lambda: not self._is_shipping)

    def written(self, callback: Callable[[], None]) -> None:
        """Call back once the counts of until now are at the broker, or in the store."""
        self._callbacks.append(callback)

    def statistics(self, mode: Mode, queue: str) -> Statistics:
        """A snapshot: what was dropped or left out, and what is on its way; the rest is the worker's."""
        totals = self._books.totals()
        shadows = [
            msgspec.structs.replace(
                one, routes={route: counts for (route, name), counts in totals.items() if name == one.shadow}
            )
            for one in self._shadows
        ]
        restraint = self._books.restraints.tightest()
        return Statistics(mode=mode, queue=queue, shadows=tuple(shadows), restraint=restraint)

    def _take(self, delivery: Delivery) -> None:
        self._open += 1
        report = partial(self._reported, delivery, _route_of(delivery.message))
        with self._guard:
            assert isinstance(delivery.message, Exchange), "only async mode goes to a broker"
            self._sender.send(self._sealer.exchange(delivery.message), report)
            return
        report("worker_lost")

    def _reported(self, delivery: Delivery, route: str, bucket: Bucket | None) -> None:
        self._open -= 1
        delivery.done()
        if bucket is None or not route:
            delivery.acknowledge()
        else:
            self._books.add(route, self._names, "eligible", bucket)
            self._callbacks.append(delivery.acknowledge)
        self._moved.set()

    async def _ship_again_and_again(self) -> None:
        while True:
            await anyio.sleep(_SHIP_SECONDS)
            with self._guard:
                self._ship()

    def _ship(self) -> None:
        """Send what was added to the books; one envelope at a time, so that a dead broker costs no more."""
        if self._is_shipping:
            return
        taken = self._books.take()
        callbacks, self._callbacks = self._callbacks, []
        restraints = self._books.restraints.current()
        if not taken and not restraints:
            _call(callbacks)
            return
        self._is_shipping = True
        added = tuple((route, shadow, counts) for (route, shadow), counts in taken.items())

        def reported(bucket: Bucket | None) -> None:
            self._is_shipping = False
            if bucket is None:
                _call(callbacks)
            else:
                self._books.give_back(taken)
                self._callbacks = callbacks + self._callbacks
            self._moved.set()

        self._sender.send(self._sealer.counts(Counts(added, restraints)), reported)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._moved = anyio.Event()
            await self._moved.wait()

    async def _stop(self) -> None:
        with self._guard:
            await self._sender.aclose(_LAST_WORDS_SECONDS)
        with anyio.move_on_after(_LAST_WORDS_SECONDS):
            await self._until(lambda: self._open == 0 and not self._is_shipping)
        with self._guard:
            await self._keep_counts()
        if self._store is not None:
            self._store.close()

    async def _keep_counts(self) -> None:
        """Put what the broker can't be told any more into the store of this host."""
        taken = self._books.take()
        if self._store is not None and taken:
            minute_us = int(time.time() * 1e6) // _MINUTE_US * _MINUTE_US
            tallies = [
                Tally(ts_us=minute_us, service=self._service, route=route, shadow=shadow, counts=counts)
                for (route, shadow), counts in taken.items()
            ]
            await anyio.to_thread.run_sync(self._store.write, tallies)
        callbacks, self._callbacks = self._callbacks, []
        _call(callbacks)


def _route_of(message: Message) -> str:
    """Under which route a message is booked; none for the second half of an exchange."""
    if isinstance(message, Exchange):
        return message.request.route
    return message.route if isinstance(message, CapturedRequest) else ""


def _call(callbacks: list[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()
