"""Brokers that are far away, or say that others are to be asked: librdkafka's mock does both on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from kafka_tools import envelope, sending
from mock_cluster import (
    HOW,
    LEADER_NOT_AVAILABLE,
    NOT_ENOUGH_REPLICAS,
    NOT_LEADER_OR_FOLLOWER,
    PRODUCE,
    MockCluster,
    library,
)

FAR_SECONDS = 2.0


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    if library() is None:
        pytest.skip(HOW)
    with MockCluster(3) as cluster:
        yield cluster


def arrived(cluster: MockCluster, topic: str) -> list[str]:
    return sorted(dict(message.headers())["ce_id"].decode() for message in cluster.contents(topic))


@pytest.mark.fault("kafka-far")
def test_sends_to_a_broker_that_is_far_away_wait_for_nothing(cluster: MockCluster):
    """A call that waited for one answer of the broker would take longer than all of these together."""
    topic = cluster.new_topic()

    async def main() -> None:
        async with sending(cluster.queue(topic)) as reports:
            cluster.take_seconds(FAR_SECONDS)
            began = time.perf_counter()
            for number in range(300):
                reports.send(envelope(number))
            assert time.perf_counter() - began < FAR_SECONDS
            assert not reports.buckets
            await reports.all()
            assert set(reports.buckets.values()) == {None}
            cluster.take_seconds(0)

    asyncio.run(main())
    assert arrived(cluster, topic) == sorted(f"e{number}" for number in range(300))


@pytest.mark.fault("kafka-leader")
def test_what_a_broker_refuses_for_the_moment_is_sent_again_and_is_there_once(cluster: MockCluster, caplog):
    topic = cluster.new_topic()
    refusals = [NOT_LEADER_OR_FOLLOWER, LEADER_NOT_AVAILABLE, NOT_ENOUGH_REPLICAS, NOT_LEADER_OR_FOLLOWER]

    async def main() -> None:
        async with sending(cluster.queue(topic), linger_ms="0") as reports:
            reports.send(envelope(reports.sent))
            await reports.all()
            cluster.fail(PRODUCE, refusals)
            for _ in range(50):
                reports.send(envelope(reports.sent))
                await asyncio.sleep(0)
            await reports.all()
            assert set(reports.buckets.values()) == {None}
            assert reports.sender.problem == ""

    asyncio.run(main())
    assert arrived(cluster, topic) == sorted(f"e{number}" for number in range(51))
    assert "fails" not in caplog.text


@pytest.mark.fault("kafka-leader")
def test_a_leader_that_moves_between_brokers_costs_nothing(cluster: MockCluster, caplog):
    topic = cluster.new_topic()

    async def main() -> None:
        async with sending(cluster.queue(topic), linger_ms="0") as reports:
            for broker in (1, 2, 3, 1):
                cluster.lead(topic, 0, broker)
                for _ in range(20):
                    reports.send(envelope(reports.sent))
                await reports.all()
            assert set(reports.buckets.values()) == {None}

    asyncio.run(main())
    assert arrived(cluster, topic) == sorted(f"e{number}" for number in range(80))
    assert "fails" not in caplog.text
