"""A broker that is absent, killed or frozen: nothing waits for it, nothing is lost or there twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import HOW, Broker, jars, soon
from kafka_tools import envelope, ids, sending, take, taking

from shadow_mw.queues import kafka_health

#: A generous bound for a call that takes some microseconds, on a machine that may be busy.
LONGEST_SECONDS = 1.0


@pytest.fixture
def intact(victim: Broker) -> Iterator[Broker]:
    yield victim
    victim.cont()


@pytest.fixture
def impatient_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """What works counts as recovered at once."""
    monkeypatch.setattr(kafka_health, "QUIET_SECONDS", 0.0)


@pytest.mark.fault("kafka-away")
def test_a_broker_that_comes_later_gets_everything(tmp_path: Path, caplog, capfd):
    if jars() is None:
        pytest.skip(HOW)
    broker = Broker(tmp_path)
    queue = broker.queue("late")

    async def main() -> None:
        async with sending(queue) as reports, taking(queue) as inbox:
            waiting = asyncio.create_task(inbox.take(10))
            for number in range(5):
                reports.send(envelope(number))
            await soon(lambda: "no broker answers" in inbox.problem, lambda: f"no broker: {inbox.problem}")
            await soon(lambda: reports.sender.problem, "the sender's problem")
            assert not reports.buckets
            await asyncio.to_thread(broker.start)
            await asyncio.to_thread(broker.make_topic, "late")
            found = ids(await waiting)
            found += ids(await take(inbox, 5 - len(found)))
            assert found == [f"e{number}" for number in range(5)]
            await reports.all()
            assert set(reports.buckets.values()) == {None}
            assert inbox.problem == reports.sender.problem == ""
            assert reports.longest_seconds < LONGEST_SECONDS

    try:
        asyncio.run(main())
    finally:
        broker.kill()
    lines = [record.message for record in caplog.records if record.name == "shadow_mw"]
    assert sum("sending" in line and "no broker answers" in line for line in lines) == 1
    assert sum("taking" in line and "no broker answers" in line for line in lines) == 1
    assert all("production is not affected" in line for line in lines if "fails" in line)
    assert capfd.readouterr().err == ""


@pytest.mark.fault("kafka-restarts")
def test_a_broker_that_is_killed_between_sends_has_everything_once(intact: Broker, impatient_log, caplog):
    topic = intact.new_topic(2)

    async def main() -> None:
        async with sending(intact.queue(topic)) as reports:
            is_over = asyncio.Event()

            async def send() -> None:
                while not is_over.is_set():
                    reports.send(envelope(reports.sent, b"x" * 500))
                    await asyncio.sleep(0.002)

            load = asyncio.create_task(send())
            for _ in range(2):
                before = len(reports.buckets)
                await soon(lambda before=before: len(reports.buckets) > before + 100, "deliveries")
                await asyncio.to_thread(intact.kill)
                sent = reports.sent
                await soon(lambda sent=sent: reports.sent > sent + 200, "sends without a broker")
                await asyncio.to_thread(intact.start)
            before = len(reports.buckets)
            await soon(lambda: len(reports.buckets) > before + 100, "deliveries")
            is_over.set()
            await load
            await reports.all()
            assert set(reports.buckets.values()) == {None}
            assert reports.longest_seconds < LONGEST_SECONDS
            logging.getLogger(__name__).info("longest send: %.6f s", reports.longest_seconds)
            there = sorted(dict(message.headers())["ce_id"].decode() for message in intact.contents(topic))
            assert there == sorted(f"e{number}" for number in range(reports.sent))

    asyncio.run(main())


@pytest.mark.fault("kafka-frozen")
def test_sends_to_a_frozen_broker_never_wait(intact: Broker, impatient_log, caplog):
    topic = intact.new_topic()
    small = {"queue_buffering_max_messages": "50"}

    async def main() -> None:
        async with sending(intact.queue(topic), **small) as reports:
            reports.send(envelope(reports.sent))
            await reports.all()
            intact.stop()
            for _ in range(200):
                reports.send(envelope(reports.sent))
            await soon(lambda: len(reports.buckets) == 151, lambda: f"{len(reports.buckets)} of 151")
            assert list(reports.buckets.values()).count("queue_full") == 150
            assert reports.longest_seconds < LONGEST_SECONDS
            assert reports.sender.problem
            intact.cont()
            await reports.all()
            assert list(reports.buckets.values()).count(None) == 51
            await soon(lambda: "works again" in caplog.text, "the recovery in the log")
            assert reports.sender.problem == ""

    asyncio.run(main())
    assert len(intact.contents(topic)) == 51
    assert caplog.text.count("the reserve is full") == 1
    assert caplog.text.count("works again") == 1


@pytest.mark.fault("kafka-frozen")
def test_closing_does_not_wait_for_a_frozen_broker(intact: Broker):
    topic = intact.new_topic()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with sending(intact.queue(topic)) as reports, taking(intact.queue(topic)) as inbox:
            reports.send(envelope(0))
            [letter] = await take(inbox, 1)
            intact.stop()
            letter.acknowledge()
            for number in range(1, 6):
                reports.send(envelope(number))
            began = loop.time()
            await reports.sender.aclose(0.5)
            await inbox.aclose(0.5)
            assert loop.time() - began < 20
            assert reports.buckets == {
                "e0": None,
                **dict.fromkeys(["e1", "e2", "e3", "e4", "e5"], "queue_full"),
            }

    asyncio.run(main())


@pytest.mark.fault("kafka-restarts")
def test_a_worker_goes_on_after_a_restart_of_the_broker(intact: Broker, impatient_log):
    topic = intact.new_topic()
    queue = intact.queue(topic)

    async def main() -> None:
        async with sending(queue) as reports, taking(queue) as inbox:
            for number in range(5):
                reports.send(envelope(number))
            letters = await take(inbox, 5)
            waiting = asyncio.create_task(inbox.take(10))
            await soon(lambda: inbox.lag == 5, lambda: f"lag {inbox.lag}")
            await asyncio.to_thread(intact.kill)
            for letter in letters:
                letter.acknowledge()
            await soon(lambda: "no broker answers" in inbox.problem, lambda: f"no broker: {inbox.problem}")
            await asyncio.to_thread(intact.start)
            reports.send(envelope(5))
            again = await waiting
            # Where the group had forgotten the member, what was not told yet may come again.
            assert ids(again) in (["e5"], [f"e{number}" for number in range(6)][: len(again)])
            for letter in again:
                letter.acknowledge()
            await soon(lambda: inbox.problem == "", lambda: inbox.problem)
            for letter in await take(inbox, 1) if again[-1].envelope.id != "e5" else []:
                letter.acknowledge()
            await soon(lambda: intact.committed(topic) == 6, lambda: f"{intact.committed(topic)} of 6")

    asyncio.run(main())


@pytest.mark.fault("kafka-no-topic")
def test_a_topic_that_is_made_later_is_found(intact: Broker, impatient_log, caplog):
    queue = intact.queue("missing")
    hasty = {"topic_metadata_propagation_max_ms": "500"}

    async def main() -> None:
        async with sending(queue, **hasty) as reports, taking(queue, **hasty) as inbox:
            waiting = asyncio.create_task(inbox.take(10))
            reports.send(envelope(0))
            await reports.all()
            reports.send(envelope(1))
            await reports.all()
            assert reports.buckets == {"e0": "queue_full", "e1": "queue_full"}
            await soon(lambda: inbox.problem == "the topic missing does not exist", lambda: inbox.problem)
            assert reports.sender.problem == "the topic missing does not exist"
            await asyncio.to_thread(intact.make_topic, "missing")

            async def send() -> None:
                while not waiting.done():
                    reports.send(envelope(reports.sent))
                    await asyncio.sleep(0.05)

            await asyncio.wait_for(send(), 60)
            assert await waiting
            assert inbox.problem == reports.sender.problem == ""

    asyncio.run(main())
    assert caplog.text.count("sending to the Kafka topic missing fails") == 1
    assert caplog.text.count("taking from the Kafka topic missing fails") == 1


def test_a_topic_that_is_made_anew_is_sent_to_and_taken_from(intact: Broker, impatient_log):
    """An idempotent producer has lost its place then."""
    topic = intact.new_topic()
    queue = intact.queue(topic)

    async def main() -> None:
        async with sending(queue, topic_metadata_propagation_max_ms="500") as reports:
            for number in range(20):
                reports.send(envelope(number))
            await reports.all()
            await asyncio.to_thread(intact.delete_topic, topic)
            await asyncio.to_thread(intact.make_topic, topic)

            async def send() -> None:
                while list(reports.buckets.values())[20:].count(None) < 10:
                    reports.send(envelope(reports.sent))
                    await asyncio.sleep(0.05)

            await asyncio.wait_for(send(), 60)

    asyncio.run(main())
    assert len(intact.contents(topic)) >= 10
