"""`shadow-mw check` in front of a real Kafka: it says what is there, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import broker as brokers
import pytest
from broker import HOW, Broker, free_ports, jars
from confluent_kafka.admin import AdminClient

from shadow_mw.cli.queue_probe import probe_queue
from shadow_mw.settings import load_settings


def said(queue: str) -> tuple[bool, str]:
    (finding,) = probe_queue(load_settings(queue=queue), 10)
    return finding.is_ok, str(finding)


def test_it_says_how_many_workers_a_topic_feeds_and_what_is_missing_for_dead_letters(broker: Broker) -> None:
    topic = broker.new_topic(3)
    is_ok, sentence = said(broker.queue(topic))
    assert is_ok
    assert "its partitions feed up to 3 workers; there is no topic " in sentence
    assert f"{topic}.dead: make it, unless your brokers make topics by themselves" in sentence
    broker.make_topic(f"{topic}.dead")
    assert said(broker.queue(topic))[1].endswith("its partitions feed up to 3 workers")


def test_a_broker_that_is_not_there_is_a_sentence() -> None:
    (port,) = free_ports(1)
    is_ok, sentence = said(f"kafka://127.0.0.1:{port}/predictions")
    assert not is_ok
    assert f"no broker answers at 127.0.0.1:{port}" in sentence


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """A broker that makes each topic that is asked for."""
    if jars() is None:
        pytest.skip(HOW)
    ours = brokers._PROPERTIES
    assert "auto.create.topics.enable=false" in ours
    monkeypatch.setattr(brokers, "_PROPERTIES", ours.replace("topics.enable=false", "topics.enable=true"))
    broker = Broker(tmp_path)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def test_it_makes_no_topic_where_the_broker_makes_them_by_themselves(maker: Broker) -> None:
    for _ in range(2):
        is_ok, sentence = said(maker.queue("predictions"))
        assert not is_ok
        assert "there is no such topic: make it, with a partition for each worker" in sentence
    found = AdminClient({"bootstrap.servers": maker.address}).list_topics(timeout=60).topics
    assert not {"predictions", "predictions.dead"} & set(found)
