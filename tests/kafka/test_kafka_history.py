"""A stretch of a topic's past."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from broker import Broker
from kafka_tools import dotted, ids

from shadow_mw.broker_protocols import Letter
from shadow_mw.exceptions import SettingsError
from shadow_mw.queues.kafka_history import KafkaHistory

#: Each message of the test came a second after the one before.
START = 1_700_000_000


def past(broker: Broker, count: int = 10, partitions: int = 2) -> str:
    topic = broker.new_topic(partitions)
    for number in range(count):
        broker.put(
            topic,
            b"value",
            headers={"ce_id": f"e{number}"},
            partition=number % partitions,
            timestamp=(START + number) * 1000,
        )
    return broker.queue(topic)


def read(queue: str, limit: int = 3, **stretch: Any) -> tuple[int | None, list[str]]:
    async def main() -> tuple[int | None, list[str]]:
        history = KafkaHistory(queue, options={}, **stretch)
        assert history.total is None
        await history.open()
        found: list[Letter] = []
        while letters := await history.take(limit):
            assert 1 <= len(letters) <= limit
            found += letters
        for letter in found:
            letter.acknowledge()
            letter.reject("not the history's business")
        await history.aclose(10)
        assert history.problem == ""
        return history.total, sorted(ids(found))

    return asyncio.run(main())


def numbered(*numbers: int) -> list[str]:
    return sorted(f"e{number}" for number in numbers)


def test_all_of_it(broker: Broker):
    assert read(past(broker)) == (10, numbered(*range(10)))


def test_from_a_moment_to_another_which_is_not_included(broker: Broker):
    queue = past(broker)
    assert read(queue, since=START + 3, until=START + 7) == (4, numbered(3, 4, 5, 6))
    assert read(queue, since=START + 3.5) == (6, numbered(4, 5, 6, 7, 8, 9))
    assert read(queue, until=START + 2.5) == (3, numbered(0, 1, 2))
    assert read(queue, since=START + 100) == (0, [])
    assert read(queue, until=START) == (0, [])


def test_an_empty_topic_ends_at_once(broker: Broker):
    assert read(broker.queue(broker.new_topic(3))) == (0, [])


def test_it_ends_where_the_topic_ended_at_the_start(broker: Broker):
    queue = past(broker)

    async def main() -> None:
        history = KafkaHistory(queue, options={})
        await history.open()
        broker.put(queue.rpartition("/")[2], b"later")
        found: list[Letter] = []
        while letters := await history.take(100):
            found += letters
        assert sorted(ids(found)) == numbered(*range(10))
        await history.aclose(10)

    asyncio.run(main())


def test_it_ends_though_the_last_messages_are_gone(broker: Broker):
    """Of a compacted topic an offset before the end may hold nothing."""
    topic = broker.new_topic()
    broker.put_transaction(topic, 3)
    assert read(broker.queue(topic)) == (4, [""] * 3)


@pytest.mark.fault("kafka-replay")
def test_it_leaves_the_workers_where_they_are(broker: Broker):
    queue = past(broker, partitions=1)
    topic = queue.rpartition("/")[2]
    read(queue)
    assert broker.committed(topic, group=f"shadow_mw.{topic}") is None


def test_a_cancelled_take_loses_nothing(broker: Broker):
    queue = past(broker)

    async def main() -> None:
        history = KafkaHistory(queue, options={})
        found: list[str] = []
        waiting = asyncio.create_task(history.take(2))
        await asyncio.wait([waiting], timeout=0.001)
        waiting.cancel()
        await asyncio.wait([waiting])
        if not waiting.cancelled():
            found += ids(waiting.result())
        while letters := await history.take(2):
            found += ids(letters)
        assert sorted(found) == numbered(*range(10))
        await history.aclose(10)

    asyncio.run(main())


@pytest.mark.parametrize("topic", ["missing", ""])
def test_what_can_not_be_read_is_said(broker: Broker, topic: str):
    queue = broker.queue(topic) if topic else "kafka://127.0.0.1:1/topic"
    sentence = "the topic missing does not exist" if topic else "no broker answers at 127.0.0.1:1"

    async def main() -> None:
        history = KafkaHistory(queue, options=dotted({"socket_timeout_ms": "1000"}))
        with pytest.raises(SettingsError, match=sentence):
            await history.take(1)
        await history.aclose(10)

    asyncio.run(main())
