"""The recorder: gathers records into batches and writes them away from the loop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import anyio
import anyio.to_thread

from shadow_mw.books import Books, Key
from shadow_mw.boundary import Guard
from shadow_mw.protocols import Kept, Store
from shadow_mw.records import Comparison, Pulse, Record, Tally
from shadow_mw.snapshots import ShadowStatistics
from shadow_mw.worker.judge import Origin

#: What was added to the books, by route and shadow.
Taken: TypeAlias = Mapping[Key, dict[str, int]]

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
        kept: Kept | None = None,
    ) -> None:
        """Write every `interval_seconds` or `batch` records; hold at most `limit` while the disk is slow.

        With `kept`, which tells what records are in the store, it is patient: it tries a batch again until it
        is kept, and loses none, so that whoever adds to it has to wait.
        """
        self._is_patient = kept is not None
        self._kept = kept
        self._suspects: set[str] = set()
        self._has_failed = False
        self._may_be_kept = False
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
        self._was_held = False

    def add(self, comparison: Comparison, *, may_be_repeated: bool = False) -> None:
        """Take a comparison for the next batch; of one that may be repeated the store is asked first."""
        if self._store is None:
            return
        if len(self._records) >= self._limit and not self._is_patient:
            self._drop([comparison])
            return
        if may_be_repeated:
            self._suspects.add(comparison.record_id)
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
        self._has_failed = not await self._try(store, records, taken, pulses)
        if not self._has_failed:
            self._suspects.difference_update(record.record_id for record in records)
            return True
        self._books.give_back(taken)
        if not self._is_patient:
            self._drop(records)
        return not self._is_patient

    async def _try(
        self,
        store: Store,
        records: list[Comparison],
        taken: Mapping[Key, dict[str, int]],
        pulses: list[Pulse],
    ) -> bool:
        with self._guard:
            repeated = await self._repeated(records)
            fresh = [record for record in records if record.record_id not in repeated]
            if not self._may_be_kept:  # else they are ours, and their counts may be missing
                taken = _without(taken, [record for record in records if record.record_id in repeated])
            self._may_be_kept = True
            batch: list[Record] = [*fresh, *self._tallies(taken), *pulses]
            if batch:
                await anyio.to_thread.run_sync(store.write, batch)
            self._may_be_kept = False
            return True
        return False

    async def _repeated(self, records: list[Comparison]) -> frozenset[str]:
        """The ids of those records that are in the store already, as far as there can be any."""
        asked = [
            (record.record_id, record.ts_us)
            for record in records
            if record.record_id in self._suspects or self._may_be_kept
        ]
        if self._kept is None or not asked:
            return frozenset()
        return await anyio.to_thread.run_sync(self._kept.known, asked)

    def close(self) -> None:
        """Give the store's files and connections back."""
        for one in (self._store, self._kept):
            if one is not None:
                with self._guard:
                    one.close()

    def _tallies(self, taken: Taken) -> list[Tally]:
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
            if counts
        ]

    def _pulses(self) -> list[Pulse]:
        """A sign of life for each shadow, where it is time for one or the governor holds back anew."""
        now = self._clock()
        held = self._books.restraints.tightest()
        is_news, self._was_held = (held is not None) != self._was_held, held is not None
        if (
            not is_news and self._next_pulse - _PULSE_SECONDS <= now < self._next_pulse
        ):  # the clock may be set back
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
                share=held.share if held else 1.0,
                held_back=held.reason if held else "",
            )
            for one in self._shadows()
        ]

    def _drop(self, records: list[Comparison]) -> None:
        for (route, shadow), count in Counter((record.route, record.shadow) for record in records).items():
            self._books.add_many(route, shadow, {"records_dropped": count})


def _without(taken: Taken, repeated: list[Comparison]) -> Taken:
    """The counts without those of comparisons that another worker has counted."""
    if not repeated:
        return taken
    left = {key: Counter(counts) for key, counts in taken.items()}
    for comparison in repeated:
        words = ["eligible", comparison.bucket, *([comparison.verdict] * (comparison.bucket == "compared"))]
        left[comparison.route, comparison.shadow].subtract(words)
    return {key: {word: count for word, count in counts.items() if count} for key, counts in left.items()}
