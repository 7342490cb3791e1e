"""A worker behind a broker: each exchange in the store once, whatever ends, fails or comes twice."""

from __future__ import annotations

import collections
import contextlib
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_broker import MemoryBroker, MemoryInbox, exchange
from stub_shadow import Reply, StubShadow

from shadow_mw import Comparison, Tally
from shadow_mw.broker_worker import Consuming
from shadow_mw.envelope import Sealer
from shadow_mw.frames import Counts
from shadow_mw.records import BUCKETS, Envelope, Pulse
from shadow_mw.settings import load_settings
from shadow_mw.stores.segments import SegmentStore

SEALER = Sealer(service="shop", production_version="7")
SAME = b'{"y":1}'


class Bench:
    """A broker with exchanges on it, and the workers that one after the other take from it."""

    def __init__(self, store: Path, targets: str, **more: Any) -> None:
        self.broker = MemoryBroker()
        self.store = store
        self.settings = load_settings(
            targets=targets,
            routes="POST /predict",
            queue="kafka://broker.invalid:9092/topic",
            store=str(store),
            drain_seconds=20,
            **more,
        )

    def put(self, count: int, first: int = 1) -> None:
        for number in range(first, first + count):
            self.broker.put(SEALER.exchange(exchange(number)))

    def work(self, *, during: Callable[[Consuming], Any] | None = None) -> Consuming:
        """A worker that ends when the broker is empty, or that is told to by what happens `during` it."""

        async def run() -> Consuming:
            consuming = Consuming(self.settings, MemoryInbox(self.broker))
            async with anyio.create_task_group() as group:
                if during is not None:
                    group.start_soon(during, consuming)
                await consuming.run(())
                group.cancel_scope.cancel()
            return consuming

        return anyio.run(run)

    def work_beside(self) -> None:
        """As `work`, on a thread, which can't listen to signals."""

        async def run() -> None:
            consuming = Consuming(self.settings, MemoryInbox(self.broker))
            await consuming._worker.run(consuming._source)

        anyio.run(run)

    def kill(self, after: int) -> None:
        """A worker that is gone once its store has been written to so often; it acknowledges nothing."""

        async def run() -> None:
            consuming = Consuming(self.settings, MemoryInbox(self.broker))
            recorder = consuming._worker._recorder
            recorder._batch = 3
            store = recorder._store
            written = 0

            def write(batch: Any) -> None:
                nonlocal written
                if written > after:
                    return  # the dead write nothing
                SegmentStore.write(store, batch)
                written += any(isinstance(one, Comparison) for one in batch)
                if written > after:
                    self.broker.put_back()
                    raise _Killed

            store.write = write
            with contextlib.suppress(BaseException):
                await consuming._worker.run(consuming._source)
            self.broker.put_back()

        anyio.run(run)

    @property
    def comparisons(self) -> list[Comparison]:
        return [one for one in self._records() if isinstance(one, Comparison)]

    def books(self, shadow: str = "shadow") -> dict[str, int]:
        """The sums of the tallies of one shadow; they must close."""
        sums: Counter[str] = Counter()
        for one in self._records():
            if isinstance(one, Tally) and one.shadow == shadow:
                sums.update(one.counts)
        assert sum(sums[bucket] for bucket in BUCKETS) == sums["eligible"], sums
        return dict(sums)

    def _records(self) -> Iterator[Any]:
        for segment in sorted((self.store / "hot").glob("*.jsonl")):
            for line in segment.read_bytes().splitlines():
                yield msgspec.json.decode(line, type=Comparison | Tally | Pulse)


class _Killed(BaseException):
    """Nothing of ours catches it, as nothing catches SIGKILL."""


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    return lambda targets, **more: Bench(tmp_path / "store", targets, **more)


def test_every_exchange_is_compared_once_and_acknowledged_when_it_is_in_the_store(bench):
    with StubShadow(lambda asked: Reply(body=SAME)) as shadow:
        one = bench(shadow.url)
        one.put(25)
        done = one.work()
    assert one.books() == {"eligible": 25, "compared": 25, "agree": 25}
    assert len({record.request_id for record in one.comparisons}) == 25
    assert {(record.service, record.production_version) for record in one.comparisons} == {("shop", "7")}
    assert len(one.broker.acknowledged) == 25
    assert not one.broker.open
    assert done.snapshot().lag == 0


def test_no_more_is_taken_than_there_is_room_for(bench):
    with StubShadow(lambda asked: Reply(body=SAME)) as shadow:
        one = bench(shadow.url, queue_size=4)
        one.put(30)
        most = []

        def taking(taken: list[int]) -> Any:
            inbox_take = MemoryInbox.take

            async def take(self: MemoryInbox, limit: int) -> Any:
                letters = await inbox_take(self, limit)
                taken.append(len(self._broker.open))
                return letters

            return take

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryInbox, "take", taking(most))
            one.work()
    assert max(most) == 4
    assert one.books()["compared"] == 30


@pytest.mark.fault("repeats", "kafka-worker-killed")
@pytest.mark.usefixtures("no_exporters")
@given(kills=st.lists(st.integers(0, 4), max_size=4), copies=st.lists(st.integers(1, 20), max_size=5))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_workers_die_and_comes_twice_the_store_has_each_exchange_once(kills, copies):
    with (
        StubShadow(lambda asked: Reply(body=SAME)) as shadow,
        StubShadow(lambda asked: Reply(body=b'{"y":2}')) as other,
        tempfile.TemporaryDirectory() as folder,
    ):
        one = Bench(Path(folder) / "store", f"a={shadow.url}, b={other.url}", queue_size=12)
        one.put(20)
        for number in copies:
            one.put(1, first=number)
        for after in kills:
            one.kill(after)
        one.work()
        assert one.books("a") == {"eligible": 20, "compared": 20, "agree": 20}
        assert one.books("b") == {"eligible": 20, "compared": 20, "disagree": 20}
        records = Counter((record.shadow, record.request_id) for record in one.comparisons)
        assert set(records.values()) == {1}
        assert len(records) == 40
        assert not one.broker.open
        assert not one.broker.waiting


def test_a_shadow_that_is_down_for_a_while_pauses_and_costs_nothing(bench, caplog):
    """Refused connections open the circuit; what was not asked is asked when the shadow is back."""
    seen: list[str] = []
    with socket.socket() as place, contextlib.ExitStack() as stack:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", 0))  # and listens not: whoever comes is refused
        port = place.getsockname()[1]
        one = bench(f"http://127.0.0.1:{port}", breaker_failures=2, breaker_reset_seconds=0.2)
        one.put(12)

        async def come_back(consuming: Consuming) -> None:
            while consuming.snapshot().shadows[0].circuit != "open":
                await anyio.lowlevel.checkpoint()
            seen.append(f"{len(one.broker.acknowledged)} acknowledged while it was down")
            stack.enter_context(StubShadow(lambda asked: Reply(body=SAME), port=port))

        one.work(during=come_back)
    assert seen == ["0 acknowledged while it was down"]
    told = [record.getMessage() for record in caplog.records if "the shadow shadow is" in record.getMessage()]
    assert len(told) == 2
    assert told[0].startswith("the shadow shadow is waited for, and nothing is lost: ")
    assert told[1] == "the shadow shadow is asked again"
    assert one.books() == {"eligible": 12, "compared": 12, "agree": 12}


@pytest.mark.fault("stale")
def test_what_has_become_too_old_is_counted_and_not_asked(bench, caplog):
    """The exchanges of the bench are of September; beside them there are some of this moment."""
    with StubShadow(lambda asked: Reply(body=SAME)) as shadow:
        one = bench(shadow.url, max_age_seconds=3600)
        one.put(20)
        for number in range(21, 25):
            fresh = exchange(number)
            now = msgspec.structs.replace(fresh.request, ts_us=time.time_ns() // 1000)
            one.broker.put(SEALER.exchange(msgspec.structs.replace(fresh, request=now)))
        one.work()
        assert len(shadow.asked) == 4
    assert one.books() == {"eligible": 24, "compared": 4, "agree": 4, "queue_full": 20}
    assert sorted(record.request_id for record in one.comparisons) == [f"request-{n}" for n in range(21, 25)]
    assert len(one.broker.acknowledged) == 24
    assert caplog.text.count("SHADOW_MAX_AGE_SECONDS") == 1


@pytest.mark.fault("stale")
def test_what_becomes_too_old_while_its_shadow_is_down_is_not_asked_afterwards(bench):
    with socket.socket() as place, contextlib.ExitStack() as stack:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
        one = bench(f"http://127.0.0.1:{port}", breaker_failures=1, breaker_reset_seconds=0.2)
        one.put(3)

        async def come_back(consuming: Consuming) -> None:
            while consuming.snapshot().shadows[0].circuit != "open":
                await anyio.lowlevel.checkpoint()
            consuming._worker._lanes[0]._max_age_seconds = 1.0  # which all of them are beyond
            stack.enter_context(StubShadow(lambda asked: Reply(body=SAME), port=port))

        one.work(during=come_back)
    assert one.books() == {"eligible": 3, "queue_full": 3}


@pytest.mark.fault("store-away")
def test_a_store_that_fails_for_a_while_loses_nothing_and_keeps_nothing_twice(bench, monkeypatch):
    failures = collections.deque(["before", "before", "after"])
    write = SegmentStore.write

    def flaky(self: SegmentStore, batch: Any) -> None:
        has_comparisons = any(isinstance(record, Comparison) for record in batch)
        failure = failures.popleft() if failures and has_comparisons else ""
        if failure != "before":
            write(self, batch)
        if failure:
            raise OSError("the disk is full")

    monkeypatch.setattr(SegmentStore, "write", flaky)
    with StubShadow(lambda asked: Reply(body=SAME)) as shadow:
        one = bench(shadow.url)
        one.put(5)
        one.work()
    assert not failures
    assert len(one.comparisons) == len({record.record_id for record in one.comparisons}) == 5
    assert len(one.broker.acknowledged) == 5


@pytest.mark.fault("poison")
def test_what_cannot_be_opened_goes_to_the_dead_letters_with_a_reason(bench):
    with StubShadow(lambda asked: Reply(body=SAME)) as shadow:
        one = bench(shadow.url)
        one.put(1)
        one.broker.put(Envelope(id="", key="", headers={}, value=b"\x80\x04pickle"))
        newer = SEALER.exchange(exchange(2))
        headers = {**newer.headers, "ce_type": "shadow_mw.exchange.v9"}
        one.broker.put(msgspec.structs.replace(newer, headers=headers))
        one.put(1, first=3)
        one.work()
    assert [reason.partition(":")[0] for _, reason in one.broker.dead] == [
        "this is no envelope of shadow_mw",
        "envelope version 9 is not known here, where it is 1",
    ]
    assert one.books()["compared"] == 2


def test_what_the_app_has_dropped_is_in_the_books(bench):
    with StubShadow(lambda asked: Reply(body=SAME)) as shadow:
        one = bench(shadow.url)
        one.put(2)
        dropped = Counts((("POST /predict", "shadow", {"eligible": 3, "queue_full": 3}),))
        one.broker.put(SEALER.counts(dropped))
        one.work()
    assert one.books() == {"eligible": 5, "compared": 2, "agree": 2, "queue_full": 3}
    assert len(one.broker.acknowledged) == 3


def test_a_worker_that_is_told_to_end_leaves_to_others_what_it_has_not_done(bench):
    """A shadow hangs; nothing of it is booked as lost, for it will be delivered again."""
    release, is_asked = threading.Event(), threading.Event()

    def hang(asked: Any) -> Reply:
        is_asked.set()
        release.wait(60)
        return Reply(body=SAME)

    with StubShadow(hang) as shadow:
        one = bench(shadow.url, timeout_seconds=600, max_concurrency=1)
        one.settings = load_settings(**{**one.settings.model_dump(), "drain_seconds": 0.0})
        one.put(3)

        async def stop(consuming: Consuming) -> None:
            await anyio.to_thread.run_sync(is_asked.wait)
            await consuming._end()

        done = one.work(during=stop)
        release.set()
    assert done.was_stopped
    assert one.books() == {}
    assert len(one.broker.open) == 3
    assert not one.broker.acknowledged


@pytest.mark.fault("sqs-late", "kafka-rebalance")
def test_what_another_worker_has_now_is_neither_recorded_nor_booked(bench):
    release, is_asked = threading.Event(), threading.Event()

    def hang(asked: Any) -> Reply:
        is_asked.set()
        release.wait(60)
        return Reply(body=SAME)

    with StubShadow(hang) as shadow:
        one = bench(shadow.url)
        one.put(2)

        async def withdraw(consuming: Consuming) -> None:
            await anyio.to_thread.run_sync(is_asked.wait)
            for letter in one.broker.open:
                letter.is_withdrawn = True
            one.broker.open.clear()
            release.set()

        one.work(during=withdraw)
    assert one.books() == {}
    assert one.comparisons == []


def test_a_second_copy_whose_value_went_with_the_first_is_no_dead_letter(bench, monkeypatch):
    with StubShadow(lambda asked: Reply(body=SAME)) as shadow:
        one = bench(shadow.url, queue_size=1)
        one.put(1)
        one.put(1)
        one.put(1, first=2)
        take = MemoryInbox.take

        async def taken(self: MemoryInbox, limit: int) -> Any:
            letters = await take(self, limit)
            for letter in letters:
                letter.flaw = "its value is not in the bucket any more" if self._broker.acknowledged else ""
            return letters

        monkeypatch.setattr(MemoryInbox, "take", taken)
        one.work()
    assert one.books() == {"eligible": 1, "compared": 1, "agree": 1}
    assert [envelope.key for envelope, _ in one.broker.dead] == ["request-2"]


def test_what_two_workers_are_given_at_once_is_recorded_and_counted_by_one(tmp_path):
    """A queue of SQS may do that; the slower one looks once more before it writes."""
    gate, is_asked = threading.Event(), threading.Event()

    def late(asked: Any) -> Reply:
        is_asked.set()
        gate.wait(60)
        return Reply(body=SAME)

    with StubShadow(late) as slow, StubShadow(lambda asked: Reply(body=SAME)) as fast:
        second, first = Bench(tmp_path / "store", slow.url), Bench(tmp_path / "store", fast.url)
        for one in (first, second):
            one.put(4)
            one.broker.put_back()  # it may be that another has had them
        second.put(2, first=11)
        working = threading.Thread(target=second.work_beside)
        working.start()
        assert is_asked.wait(60)
        first.work()
        assert first.books()["eligible"] == 4
        gate.set()
        working.join(60)
    assert first.books() == {"eligible": 6, "compared": 6, "agree": 6}
    assert len(first.comparisons) == len({record.record_id for record in first.comparisons}) == 6
    assert not second.broker.open
