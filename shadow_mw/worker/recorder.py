"""The recorder: gathers records into batches and writes them away from the loop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

import anyio
import anyio.to_thread

from shadow_mw.books import Books, Key
from shadow_mw.guard import Guard
from shadow_mw.protocols import Store
from shadow_mw.records import Comparison, Pulse, Record, Tally
from shadow_mw.snapshots import ShadowStatistics
from shadow_mw.worker.judge import Origin

_MINUTE_US = 60_000_000
_PULSE_SECONDS = 10.0


class Recorder:
    """Writes records in batches and the books' new counts beside them; loses records rather than waits."""

    def __init__(
        self,
        store: Store | None,
        books: Books,
        origin: Origin,
        *,
        batch: int = 500,
        interval_seconds: float = 1.0,
        limit: int = 10_000,
        clock: Callable[[], float] = time.time,
        missing: Callable[[list[Comparison]], list[Comparison]] | None = None,
    ) -> None:
        """Write every `interval_seconds` or `batch` records; hold at most `limit` while the disk is slow.

        With `missing` it is patient: it tries a batch again until it is kept, and loses none, so that whoever
        adds to it has to wait. `missing` asks the store which records it lacks, for what failed may be there.
        """
        self._is_patient = missing is not None
        self._missing = missing
        self._has_failed = False
        self._store = store
        self._books = books
        self._origin = origin
        self._batch = batch
        self._interval_seconds = interval_seconds
        self._limit = limit
        self._clock = clock
        self._records: list[Comparison] = []
        self._callbacks: list[Callable[[], None]] = []
        self._full = anyio.Event()
        self._writing = anyio.Lock()
        self._guard = Guard("writing to the store")
        self._shadows: Callable[[], Iterable[ShadowStatistics]] = tuple
        self._next_pulse = 0.0

    def add(self, comparison: Comparison) -> None:
        """Take a comparison for the next batch."""
        if self._store is None:
            return
        if len(self._records) >= self._limit and not self._is_patient:
            self._drop([comparison])
            return
        self._records.append(comparison)
        if len(self._records) >= self._batch:
            self._full.set()

    @property
    def must_try_again(self) -> bool:
        """True while a batch is not kept that will be tried again."""
        return self._is_patient and self._has_failed

    def then(self, callback: Callable[[], None]) -> None:
        """Call back once everything added until now is written, or is given up and counted."""
        self._callbacks.append(callback)

    async def run(self, shadows: Callable[[], Iterable[ShadowStatistics]]) -> None:
        """Write batch after batch, and every ten seconds how the `shadows` stand, until cancelled."""
        self._shadows = shadows
        while True:
            with anyio.move_on_after(self._interval_seconds):
                await self._full.wait()
            self._full = anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Write all that is there. A store that fails costs the batch, which is counted, and nothing else.

        Records and the counts that they are part of go into one batch, so that they can't be parted.
        """
        async with self._writing:
            records, self._records = self._records, []
            callbacks, self._callbacks = self._callbacks, []
            if self._store is not None and not await self._write(self._store, records):
                self._records[:0] = records
                self._callbacks[:0] = callbacks
                return
            for callback in callbacks:
                callback()

    async def _write(self, store: Store, records: list[Comparison]) -> bool:
        """False where the records are to be tried again."""
        taken = self._books.take()
        pulses = self._pulses()
        if await self._try(store, records, [*self._tallies(taken), *pulses]):
            return True
        self._books.give_back(taken)
        if not self._is_patient:
            self._drop(records)
        return not self._is_patient

    async def _try(self, store: Store, records: list[Comparison], others: list[Record]) -> bool:
        with self._guard:
            if self._has_failed and self._missing is not None:
                records = await anyio.to_thread.run_sync(self._missing, records)
            self._has_failed = True
            if records or others:
                await anyio.to_thread.run_sync(store.write, [*records, *others])
            self._has_failed = False
            return True
        return False

    def close(self) -> None:
        """Give the store's files back."""
        if self._store is not None:
            with self._guard:
                self._store.close()

    def _tallies(self, taken: dict[Key, dict[str, int]]) -> list[Tally]:
        minute_us = int(self._clock() * 1e6) // _MINUTE_US * _MINUTE_US
        return [
            Tally(
                ts_us=minute_us,
                service=self._origin.service,
                instance=self._origin.instance,
                route=route,
                shadow=shadow,
                counts=counts,
            )
            for (route, shadow), counts in taken.items()
        ]

    def _pulses(self) -> list[Pulse]:
        """A sign of life for each shadow, where it is time for one."""
        now = self._clock()
        if self._next_pulse - _PULSE_SECONDS <= now < self._next_pulse:  # the clock may be set back
            return []
        self._next_pulse = now + _PULSE_SECONDS
        return [
            Pulse(
                ts_us=int(now * 1e6),
                service=self._origin.service,
                instance=self._origin.instance,
                shadow=one.shadow,
                circuit=one.circuit,
                active=one.active,
                limit=one.limit,
                waiting=one.waiting,
            )
            for one in self._shadows()
        ]

    def _drop(self, records: list[Comparison]) -> None:
        for (route, shadow), count in Counter((record.route, record.shadow) for record in records).items():
            self._books.add_many(route, shadow, {"records_dropped": count})
