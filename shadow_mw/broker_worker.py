"""A worker that takes from a broker: `shadow-mw worker` with `SHADOW_QUEUE=kafka://…` or `sqs://…`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import anyio
import msgspec

from shadow_mw.assembly.brokers import make_broker_source, make_inbox
from shadow_mw.assembly.kept import make_kept
from shadow_mw.assembly.workshop import make_worker
from shadow_mw.books import Books
from shadow_mw.broker_protocols import Inbox
from shadow_mw.compare.choice import Comparators
from shadow_mw.hosting import Companion, run_loop, spare_collector, with_company
from shadow_mw.queues.broker_source import BrokerSource
from shadow_mw.settings import Settings
from shadow_mw.snapshots import Statistics
from shadow_mw.worker.worker import Worker

_log = logging.getLogger("shadow_mw")
#: What the broker gets to hear what was acknowledged last, when the deadline of the drain is over.
_LAST_WORDS_SECONDS = 5.0


class Consuming:
    """One worker with the broker that feeds it. What it leaves undone at its end is delivered again."""

    def __init__(
        self, settings: Settings, inbox: Inbox, *, queue: str = "", readers: Sequence[Any] = ()
    ) -> None:
        """Wire the worker; `readers` read its metrics beside those that the environment names.

        `queue` is what records and spans call it, where that is not `SHADOW_QUEUE`.
        """
        self._settings = settings
        self._working = anyio.CancelScope()
        self._inbox = inbox
        books = Books()
        comparators = Comparators(
            settings.compare, rtol=settings.rtol, atol=settings.atol, ignore=settings.ignore
        )
        kept = make_kept(settings)
        self._worker: Worker = make_worker(
            settings, books, comparators, self.snapshot, kept=kept, queue=queue, readers=readers
        )
        self._source: BrokerSource = make_broker_source(
            settings, inbox, books, kept=kept, written=self._worker.written
        )

    @property
    def problem(self) -> str:
        """Why nothing is taken now, as a sentence; empty while all is well."""
        return self._worker.problem or self._source.problem

    @property
    def was_stopped(self) -> bool:
        """True when a signal ended it before its inbox had ended."""
        return self._source.is_stopping

    def snapshot(self) -> Statistics:
        """The worker's statistics, with the lag."""
        statistics = self._worker.statistics(self._settings.mode, self._settings.queue)
        return msgspec.structs.replace(statistics, lag=self._source.lag)

    async def run(self, companions: Sequence[Companion]) -> None:
        """Work until a signal comes, or the inbox ends by itself; then drain."""
        await with_company(self, companions, self._work, self._end)

    async def _work(self) -> None:
        try:
            with self._working:
                await self._worker.run(self._source)
        finally:
            with anyio.CancelScope(shield=True):
                await self._inbox.aclose(_LAST_WORDS_SECONDS)

    async def _end(self) -> None:
        self._source.stop()
        self._worker.hurry()
        await anyio.sleep(self._settings.drain_seconds)
        self._working.cancel()


def run(settings: Settings, *, readers: Sequence[Any] = (), companions: Sequence[Companion] = ()) -> None:
    """Run a worker that takes from the broker that the settings name, until a signal comes.

    Raises:
        SettingsError: the client refuses an option, or a key can't be read.
        MissingExtraError: a client or driver is not installed.

    """
    run_loop(_consume, settings, readers, companions)


async def _consume(settings: Settings, readers: Sequence[Any], companions: Sequence[Companion]) -> None:
    consuming = Consuming(settings, make_inbox(settings), readers=readers)
    spare_collector()
    await consuming.run(companions)
