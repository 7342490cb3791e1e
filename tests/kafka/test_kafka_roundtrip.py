"""Envelopes through a topic, on a broker that does what it should."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from broker import Broker, soon
from confluent_kafka import KafkaError
from kafka_tools import envelope, ids, sending, take, taking

from shadow_mw.records import Envelope


def test_an_envelope_arrives_as_it_was_sent(broker: Broker):
    topic = broker.new_topic()
    sent = Envelope(
        id="e1",
        key="request-ä",
        headers={"ce_id": "e1", "content-type": "application/x", "traceparent": "00-aä"},
        value=bytes(range(256)) * 40,
    )

    async def main() -> None:
        async with sending(broker.queue(topic)) as reports, taking(broker.queue(topic)) as inbox:
            reports.send(sent)
            await reports.all()
            [letter] = await inbox.take(5)
            assert letter.envelope == sent
            assert reports.buckets == {"e1": None}
            assert inbox.problem == ""
            letter.acknowledge()

    asyncio.run(main())
    assert broker.committed(topic) == 1


def test_a_thousand_envelopes_arrive_once_each(broker: Broker):
    topic = broker.new_topic(3)

    async def main() -> None:
        async with sending(broker.queue(topic)) as reports, taking(broker.queue(topic)) as inbox:
            for number in range(1000):
                reports.send(envelope(number))
            letters = await take(inbox, 1000, limit=64)
            assert sorted(ids(letters)) == sorted(f"e{number}" for number in range(1000))
            await reports.all()
            assert set(reports.buckets.values()) == {None}

    asyncio.run(main())


def test_one_key_stays_in_order(broker: Broker):
    topic = broker.new_topic(4)

    async def main() -> None:
        async with sending(broker.queue(topic)) as reports, taking(broker.queue(topic)) as inbox:
            for number in range(100):
                reports.send(
                    Envelope(id=f"e{number}", key="same", headers={"ce_id": f"e{number}"}, value=b"")
                )
            assert ids(await take(inbox, 100)) == [f"e{number}" for number in range(100)]

    asyncio.run(main())


def test_a_take_never_returns_more_than_its_limit(broker: Broker):
    topic = broker.new_topic()

    async def main() -> None:
        async with sending(broker.queue(topic)) as reports, taking(broker.queue(topic)) as inbox:
            for number in range(30):
                reports.send(envelope(number))
            await reports.all()
            sizes = []
            while sum(sizes) < 30:
                sizes.append(len(await inbox.take(7)))
            assert max(sizes) <= 7
            assert min(sizes) >= 1

    asyncio.run(main())


@pytest.mark.parametrize("wait_seconds", [0.0, 0.05, 0.5])
def test_a_cancelled_take_loses_nothing(broker: Broker, wait_seconds: float):
    topic = broker.new_topic()

    async def main() -> None:
        async with sending(broker.queue(topic)) as reports, taking(broker.queue(topic)) as inbox:
            found: list[str] = []
            for number in range(5):
                waiting = asyncio.create_task(inbox.take(10))
                reports.send(envelope(number))
                await asyncio.wait([waiting], timeout=wait_seconds)
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    found += ids(await waiting)
            found += ids(await take(inbox, 5 - len(found)))
            assert found == [f"e{number}" for number in range(5)]

    asyncio.run(main())


def test_a_stopped_inbox_gives_nothing_and_still_takes_acknowledgements(broker: Broker):
    topic = broker.new_topic()

    async def main() -> None:
        async with sending(broker.queue(topic)) as reports, taking(broker.queue(topic)) as inbox:
            reports.send(envelope(1))
            [letter] = await inbox.take(5)
            waiting = asyncio.create_task(inbox.take(5))
            await asyncio.sleep(0)
            inbox.stop()
            assert await waiting == ()
            assert await inbox.take(5) == ()
            letter.acknowledge()

    asyncio.run(main())
    assert broker.committed(topic) == 1


def test_an_envelope_that_is_too_large_is_reported_so(broker: Broker):
    topic = broker.new_topic(max_message_bytes="20000")

    async def main() -> None:
        async with sending(broker.queue(topic), compression_type="none") as reports:
            reports.send(envelope(1, b"x" * 2_000_000))  # for the client
            reports.send(envelope(2, b"x" * 50_000))  # for the topic
            await reports.all()
            reports.send(envelope(3))
            await reports.all()
            assert reports.buckets == {"e1": "too_large", "e2": "too_large", "e3": None}

    asyncio.run(main())


def test_a_producer_that_has_lost_its_place_is_replaced(broker: Broker):
    """What librdkafka calls a fatal error of an idempotent producer can't be brought about from outside."""
    topic = broker.new_topic()

    async def main() -> None:
        async with sending(broker.queue(topic), linger_ms="60000") as reports:
            reports.send(envelope(0))
            first = reports.sender._producer._client
            reports.sender._producer._heard(KafkaError(KafkaError._FATAL, "it lost its place", fatal=True))
            await soon(lambda: reports.sender._producer._client is not first, "another producer")
            await reports.all()
            assert reports.buckets == {"e0": "queue_full"}
            reports.send(envelope(1))
        assert reports.buckets["e1"] is None

    asyncio.run(main())


def test_closing_sends_what_waits(broker: Broker):
    topic = broker.new_topic()

    async def main() -> None:
        async with sending(broker.queue(topic), linger_ms="60000") as reports:
            for number in range(50):
                reports.send(envelope(number))
        assert list(reports.buckets.values()) == [None] * 50
        reports.send(envelope(99))
        await reports.all()
        assert reports.buckets["e99"] == "queue_full"

    asyncio.run(main())
    assert len(broker.contents(topic)) == 50


def test_the_lag_is_what_waits_in_the_topic(broker: Broker):
    topic = broker.new_topic(2)

    async def main() -> None:
        async with sending(broker.queue(topic)) as reports, taking(broker.queue(topic)) as inbox:
            assert inbox.lag is None
            for number in range(20):
                reports.send(envelope(number))
            await reports.all()
            letters = await take(inbox, 8)
            await soon(lambda: inbox.lag == 20, lambda: f"20 not acknowledged: {inbox.lag}")
            for letter in letters:
                letter.acknowledge()
            await soon(lambda: inbox.lag == 12, lambda: f"12 not acknowledged: {inbox.lag}")
            for letter in await take(inbox, 12):
                letter.acknowledge()
            await soon(lambda: inbox.lag == 0, lambda: f"nothing left: {inbox.lag}")

    asyncio.run(main())


def test_a_worker_that_stays_away_is_kept_and_finds_what_came_meanwhile(broker: Broker):
    """Nobody takes for longer than the group waits for a member that does not poll."""
    topic = broker.new_topic()
    impatient = {"session_timeout_ms": "1000", "heartbeat_interval_ms": "200", "max_poll_interval_ms": "3000"}

    async def main() -> None:
        async with (
            sending(broker.queue(topic)) as reports,
            taking(broker.queue(topic), **impatient) as inbox,
        ):
            reports.send(envelope(1))
            [letter] = await inbox.take(1)
            reports.send(envelope(2))
            await asyncio.sleep(4)  # what is tested is a pause that is too long
            assert not letter.is_withdrawn
            letter.acknowledge()
            [letter] = await inbox.take(1)
            assert letter.envelope.id == "e2"
            letter.acknowledge()

    asyncio.run(main())
    assert broker.committed(topic) == 2
