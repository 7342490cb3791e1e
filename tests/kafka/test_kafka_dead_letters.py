"""Messages that no worker can read: kept with the reason, and only then forgotten."""

from __future__ import annotations

import asyncio

import pytest
from broker import Broker, soon
from kafka_tools import envelope, ids, sending, take, taking

from shadow_mw.records import Envelope

#: So that a topic that is missing is known to be so before the test's end.
HASTY = {"topic_metadata_propagation_max_ms": "500", "message_timeout_ms": "3000"}


def test_a_rejected_letter_is_kept_unchanged_with_the_reason(broker: Broker):
    topic = broker.new_topic()
    dead = broker.make_topic(f"{topic}.dead")
    queue = broker.queue(topic)

    async def main() -> None:
        async with sending(queue) as reports, taking(queue) as inbox:
            reports.send(envelope(0))
            reports.send(envelope(1, b"\x00poison", traceparent="00-a"))
            letters = await take(inbox, 2)
            letters[0].acknowledge()
            letters[1].reject("it is no exchange")
            letters[1].reject("twice")
            letters[1].acknowledge()
            await soon(lambda: broker.committed(topic) == 2, "both acknowledged")
            assert inbox.problem == ""

    asyncio.run(main())
    [kept] = broker.contents(dead)
    assert (kept.key(), kept.value()) == (b"k1", b"\x00poison")
    assert dict(kept.headers()) == {
        "ce_id": b"e1",
        "traceparent": b"00-a",
        "shadow_mw_dead_reason": b"it is no exchange",
        "shadow_mw_dead_topic": topic.encode(),
        "shadow_mw_dead_partition": b"0",
        "shadow_mw_dead_offset": b"1",
    }


def test_a_message_of_another_program_is_a_letter_too(broker: Broker):
    topic = broker.new_topic()
    dead = broker.new_topic()
    broker.put(topic, None)
    broker.put(topic, b"\xff", key=b"\xff\xfe", headers=[("Ce_Id", b"\xffx"), ("a", None), ("a", b"2")])

    async def main() -> None:
        async with taking(broker.queue(topic), dead_topic=dead) as inbox:
            bare, odd = await take(inbox, 2)
            assert bare.envelope == Envelope(id="", key="", headers={}, value=b"")
            assert odd.envelope.id == "\ufffdx"
            assert odd.envelope.key == "\ufffd\ufffd"
            assert odd.envelope.headers == {"ce_id": "\ufffdx", "a": "2"}
            for letter in (bare, odd):
                letter.reject("not ours")
            await soon(lambda: broker.committed(topic) == 2, "both acknowledged")

    asyncio.run(main())
    bare, odd = broker.contents(dead)
    assert (bare.key(), bare.value()) == (None, None)
    assert (odd.key(), odd.value()) == (b"\xff\xfe", b"\xff")
    assert odd.headers()[:3] == [("Ce_Id", b"\xffx"), ("a", None), ("a", b"2")]


@pytest.mark.fault("kafka-dead-letters-away")
def test_while_it_can_not_be_kept_it_is_not_acknowledged(broker: Broker):
    topic = broker.new_topic()
    queue = broker.queue(topic)
    dead = f"{topic}.dead"

    async def main() -> None:
        async with sending(queue) as reports:
            async with taking(queue, **HASTY) as inbox:
                for number in range(3):
                    reports.send(envelope(number))
                letters = await take(inbox, 3)
                letters[0].acknowledge()
                letters[1].reject("poison")
                letters[2].acknowledge()
                await soon(lambda: inbox.problem, "a problem")
                assert f"can't be kept in the topic {dead}" in inbox.problem
                assert f"the topic {dead} does not exist" in inbox.problem
                reports.send(envelope(3))
                [more] = await take(inbox, 1)
                more.acknowledge()
                await soon(lambda: broker.committed(topic) == 1, "one acknowledged")
            assert broker.committed(topic) == 1
            async with taking(queue, **HASTY) as inbox:
                again = await take(inbox, 3)
                assert ids(again) == ["e1", "e2", "e3"]
                again[0].reject("poison")
                again[1].acknowledge()
                again[2].acknowledge()
                await soon(lambda: inbox.problem, "a problem")
                broker.make_topic(dead)
                await soon(lambda: broker.committed(topic) == 4, "all acknowledged")
                assert inbox.problem == ""

    asyncio.run(main())
    assert [message.value() for message in broker.contents(dead)] == [b"value"]


def test_what_is_too_large_to_be_kept_leaves_its_place(broker: Broker):
    topic = broker.new_topic()
    dead = broker.new_topic(max_message_bytes="20000")

    async def main() -> None:
        async with (
            sending(broker.queue(topic)) as reports,
            taking(broker.queue(topic), dead_topic=dead, compression_type="none") as inbox,
        ):
            reports.send(envelope(1, b"x" * 100_000))
            [letter] = await take(inbox, 1)
            letter.reject("poison")
            await soon(lambda: broker.committed(topic) == 1, "acknowledged")

    asyncio.run(main())
    [kept] = broker.contents(dead)
    headers = dict(kept.headers())
    assert kept.value() == b""
    assert headers["shadow_mw_dead_reason"] == f"poison; too large for {dead}, see {topic}[0]@0".encode()
    assert headers["shadow_mw_dead_offset"] == b"0"
