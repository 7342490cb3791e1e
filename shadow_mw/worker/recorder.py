"""The recorder: gathers records into batches and writes them away from the loop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import anyio
import anyio.to_thread

from shadow_mw.books import Books, Key
from shadow_mw.guard import Guard
from shadow_mw.protocols import Store
from shadow_mw.records import Comparison, Record, Tally
from shadow_mw.worker.judge import Origin

_MINUTE_US = 60_000_000


class Recorder:
    """Writes records in batches and the books' new counts beside them; loses records rather than waits."""

    def __init__(
        self,
        store: Store | None,
        books: Books,
        origin: Origin,
        *,
        batch: int = 500,
        interval_seconds: float = 0.5,
        tally_seconds: float = 5.0,
        limit: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Write every `interval_seconds` or `batch` records; hold at most `limit` while the disk is slow."""
        self._tally_seconds = tally_seconds
        self._tallied_at = clock()
        self._store = store
        self._books = books
        self._origin = origin
        self._batch = batch
        self._interval_seconds = interval_seconds
        self._limit = limit
        self._clock = clock
        self._records: list[Comparison] = []
        self._full = anyio.Event()
        self._writing = anyio.Lock()
        self._guard = Guard("writing to the store")

    def add(self, comparison: Comparison) -> None:
        """Take a comparison for the next batch."""
        if self._store is None:
            return
        if len(self._records) >= self._limit:
            self._drop([comparison])
            return
        self._records.append(comparison)
        if len(self._records) >= self._batch:
            self._full.set()

    async def run(self) -> None:
        """Write batch after batch, until cancelled."""
        while True:
            with anyio.move_on_after(self._interval_seconds):
                await self._full.wait()
            self._full = anyio.Event()
            await self._write(with_tallies=self._clock() >= self._tallied_at + self._tally_seconds)

    async def flush(self) -> None:
        """Write all that is there."""
        await self._write(with_tallies=True)

    async def _write(self, *, with_tallies: bool) -> None:
        """Write a batch. A store that fails costs the batch, which is counted, and nothing else."""
        if self._store is None:
            return
        async with self._writing:
            records, self._records = self._records, []
            taken = self._books.take() if with_tallies else {}
            batch: list[Record] = [*records, *self._tallies(taken)]
            if batch and not await self._try(self._store, batch):
                self._books.give_back(taken)
                self._drop(records)
            if with_tallies:
                self._tallied_at = self._clock()

    async def _try(self, store: Store, batch: list[Record]) -> bool:
        with self._guard:
            await anyio.to_thread.run_sync(store.write, batch)
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

    def _drop(self, records: list[Comparison]) -> None:
        for (route, shadow), count in Counter((record.route, record.shadow) for record in records).items():
            self._books.add_many(route, shadow, {"records_dropped": count})
