"""The forwarder: what an app has ends at the broker, or in the books, and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_broker import MemoryBroker, MemorySender, exchange

from shadow_mw.assembly.unasked import unasked
from shadow_mw.books import Books
from shadow_mw.envelope import Opener, Sealer
from shadow_mw.frames import Counts
from shadow_mw.queues.forwarder import Forwarder
from shadow_mw.records import Bucket, Envelope, Exchange, Message, Tally
from shadow_mw.settings import load_settings

ROUTE = "POST /predict"
NAMES = ("a", "b")


class Given:
    """A delivery of the app's."""

    is_kept = is_withdrawn = may_be_repeated = False
    settled: frozenset[str] = frozenset()

    def __init__(self, message: Message) -> None:
        self.message = message
        self.is_done = self.is_acknowledged = False

    def done(self) -> None:
        self.is_done = True

    def acknowledge(self) -> None:
        self.is_acknowledged = True


class GivenSource:
    def __init__(self, deliveries: list[Given]) -> None:
        self._deliveries = deliveries

    async def deliveries(self) -> AsyncIterator[Given]:
        for delivery in self._deliveries:
            yield delivery


class KeptStore:
    def __init__(self) -> None:
        self.records: list[Any] = []

    def write(self, batch: Any) -> None:
        self.records += batch

    def close(self) -> None:
        pass


class Run:
    """One life of a forwarder."""

    def __init__(self, answer: Callable[[Envelope], Bucket | None], count: int, skips: int = 0) -> None:
        own = load_settings(targets="a=http://x, b=http://y", routes=ROUTE)
        self.broker, self.store, self.books = MemoryBroker(), KeptStore(), Books()
        self.deliveries = [Given(exchange(number)) for number in range(1, count + 1)]
        self.shipped = 0
        if skips:
            self.books.add_many(ROUTE, "a", {"not_sampled": skips})
        anyio.run(self._run, answer, own)

    async def _run(self, answer: Callable[[Envelope], Bucket | None], own: Any) -> None:
        forwarder = Forwarder(
            MemorySender(self.broker, answer),
            Sealer(service="shop"),
            self.books,
            service="shop",
            shadows=tuple(unasked(target, own, {}) for target in own.targets),
            store=self.store,
            flush_seconds=20,
        )
        forwarder.written(self._note_shipped)
        await forwarder.run(GivenSource(self.deliveries))
        self.statistics = forwarder.statistics("async", "kafka://x/y")

    def _note_shipped(self) -> None:
        self.shipped += 1

    def at_broker(self) -> list[Exchange | Counts]:
        return [Opener().open(envelope) for envelope, _ in self.broker.waiting]

    def counted(self, shadow: str) -> Counter[str]:
        """What the broker's counts and the store's tallies say together."""
        sums: Counter[str] = Counter()
        for content in self.at_broker():
            if isinstance(content, Counts):
                for route, name, counts in content.added:
                    assert route == ROUTE
                    sums.update(counts if name == shadow else {})
        for record in self.store.records:
            assert isinstance(record, Tally)
            assert record.service == "shop"
            sums.update(record.counts if record.shadow == shadow else {})
        return sums


def kind_of(envelope: Envelope) -> str:
    return "counts" if ".counts." in envelope.headers["ce_type"] else "exchange"


def test_what_the_broker_takes_is_acknowledged_and_left_to_the_worker_to_count():
    run = Run(lambda envelope: None, 5)
    assert [type(content) for content in run.at_broker()] == [Exchange] * 5
    assert all(one.is_done and one.is_acknowledged for one in run.deliveries)
    assert run.counted("a") == {}
    assert run.store.records == []


@given(
    st.lists(st.sampled_from([None, "queue_full", "too_large"]), max_size=8),
    st.booleans(),
    st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_every_exchange_is_at_the_broker_or_in_a_bucket_for_each_shadow(answers, takes_counts, skips):
    left = list(answers)

    def answer(envelope: Envelope) -> Bucket | None:
        if kind_of(envelope) == "counts":
            return None if takes_counts else "queue_full"
        return left.pop(0)

    run = Run(answer, len(answers), skips)
    arrived = sum(isinstance(content, Exchange) for content in run.at_broker())
    assert arrived == answers.count(None)
    for shadow in NAMES:
        dropped = Counter(bucket for bucket in answers if bucket)
        expected = dropped + Counter(eligible=dropped.total())
        if shadow == "a":
            expected += Counter(not_sampled=skips)
        assert run.counted(shadow) == expected
    assert all(one.is_done and one.is_acknowledged for one in run.deliveries)
    assert run.shipped == 1


def test_counts_that_the_broker_refuses_are_kept_by_the_store_of_this_host():
    run = Run(lambda envelope: "queue_full", 3)
    assert [type(record) for record in run.store.records] == [Tally, Tally]
    assert run.counted("b") == {"eligible": 3, "queue_full": 3}


def test_what_cannot_be_sealed_is_counted_and_the_next_one_goes_on():
    run_deliveries = [Given(exchange(1)), Given(exchange(2).request), Given(exchange(3))]

    class Odd(Run):
        def __init__(self) -> None:
            super().__init__(lambda envelope: None, 0)

        async def _run(self, answer: Any, own: Any) -> None:
            self.deliveries = run_deliveries
            await super()._run(answer, own)

    run = Odd()
    assert sum(isinstance(content, Exchange) for content in run.at_broker()) == 2
    assert run.counted("a") == {"eligible": 1, "worker_lost": 1}
    assert all(one.is_acknowledged for one in run_deliveries)


def test_statistics_show_what_was_dropped_and_what_they_cannot_know():
    run = Run(lambda envelope: "too_large" if kind_of(envelope) == "exchange" else None, 2)
    (a, b) = run.statistics.shadows
    assert (a.shadow, b.shadow) == NAMES
    assert a.count("too_large") == b.count("too_large") == 2
    assert msgspec.json.encode(run.statistics)


def test_a_store_folder_is_made_only_for_counts(tmp_path: Path):
    run = Run(lambda envelope: None, 1)
    assert run.store.records == []
    assert list(tmp_path.iterdir()) == []
