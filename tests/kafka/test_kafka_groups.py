"""Workers that share a topic: what is acknowledged, what comes again, and who has what."""

from __future__ import annotations

import asyncio
import time

import pytest
from broker import Broker, soon
from kafka_tools import OtherWorker, envelope, ids, sending, take, taking

from shadow_mw.queues.kafka_inbox import KafkaInbox

#: So that a worker that is gone without a word is missed soon.
QUICK = {"session_timeout_ms": "2000", "heartbeat_interval_ms": "300"}


def test_only_what_is_acknowledged_without_a_gap_is_forgotten(broker: Broker):
    topic = broker.new_topic()
    queue = broker.queue(topic)

    async def main() -> None:
        async with sending(queue) as reports:
            for number in range(10):
                reports.send(envelope(number))
            async with taking(queue, drain_seconds=0) as first:
                letters = await take(first, 10)
                for number in (9, 0, 2, 1, 5, 6):
                    letters[number].acknowledge()
            async with taking(queue) as second:
                again = await take(second, 7)
                assert ids(again) == [f"e{number}" for number in range(3, 10)]
                assert all(letter.may_be_repeated for letter in again)
                reports.send(envelope(10))
                [fresh] = await take(second, 1)
                assert fresh.envelope.id == "e10"
                assert not fresh.may_be_repeated

    asyncio.run(main())
    assert broker.committed(topic) == 3


def test_what_is_acknowledged_is_told_while_the_worker_goes_on(broker: Broker):
    topic = broker.new_topic()
    queue = broker.queue(topic)

    async def main() -> None:
        async with sending(queue) as reports, taking(queue) as inbox:
            for number in range(4):
                reports.send(envelope(number))
            letters = await take(inbox, 4)
            for number in (0, 1, 3):
                letters[number].acknowledge()
                letters[number].acknowledge()
            await soon(lambda: broker.committed(topic) == 2, "two acknowledged")
            letters[2].acknowledge()
            await soon(lambda: broker.committed(topic) == 4, "four acknowledged")

    asyncio.run(main())


@pytest.mark.fault("kafka-rebalance")
def test_workers_that_join_and_leave_lose_nothing_and_share_everything(broker: Broker):
    topic = broker.new_topic(4)
    queue = broker.queue(topic)

    async def main() -> None:
        done: set[str] = set()
        has_worked = [asyncio.Event() for _ in range(3)]

        async def work(number: int, stop: asyncio.Event) -> None:
            async with taking(queue, drain_seconds=10) as inbox:

                async def handle() -> None:
                    while letters := await inbox.take(5):
                        has_worked[number].set()
                        await asyncio.sleep(0.01)  # the work
                        for letter in letters:
                            if not letter.is_withdrawn:
                                done.add(letter.envelope.id)
                                letter.acknowledge()

                handling = asyncio.create_task(handle())
                await stop.wait()
                inbox.stop()
                await handling

        async with sending(queue) as reports:
            is_over = asyncio.Event()

            async def send() -> None:
                while not is_over.is_set():
                    reports.send(envelope(reports.sent))
                    await asyncio.sleep(0.005)

            sending_task = asyncio.create_task(send())
            stops = [asyncio.Event() for _ in range(3)]
            first = asyncio.create_task(work(0, stops[0]))
            await has_worked[0].wait()
            second = asyncio.create_task(work(1, stops[1]))
            await has_worked[1].wait()
            stops[0].set()
            await first
            third = asyncio.create_task(work(2, stops[2]))
            await has_worked[2].wait()
            is_over.set()
            await sending_task
            await reports.all()
            await soon(lambda: len(done) == reports.sent, lambda: f"{len(done)} of {reports.sent}")
            stops[1].set()
            stops[2].set()
            await asyncio.gather(second, third)
            assert done == {f"e{number}" for number in range(reports.sent)}
            assert set(reports.buckets.values()) == {None}

    asyncio.run(main())


def test_workers_that_leave_together_tell_all_that_is_acknowledged(broker: Broker):
    """The first that is gone begins a rebalance, in which the broker refuses what the other tells."""
    topic = broker.new_topic(4)
    queue = broker.queue(topic)

    async def main() -> None:
        async with taking(queue) as first, taking(queue) as second, sending(queue) as reports:
            done: set[str] = set()

            async def handle(inbox: KafkaInbox) -> None:
                while letters := await inbox.take(5):
                    for letter in letters:
                        letter.acknowledge()
                        done.add(letter.envelope.id)

            handling = [asyncio.create_task(handle(inbox)) for inbox in (first, second)]
            for number in range(100):
                reports.send(envelope(number))
            await soon(lambda: len(done) == 100, lambda: f"{len(done)} of 100")
            await asyncio.gather(first.aclose(20), second.aclose(20))
            await asyncio.gather(*handling)

    asyncio.run(main())
    assert sum(broker.committed(topic, partition=number) or 0 for number in range(4)) == 100


def test_a_partition_is_handed_over_when_its_letters_are_acknowledged(broker: Broker):
    topic = broker.new_topic(2)
    queue = broker.queue(topic)

    async def main() -> None:
        async with sending(queue) as reports, taking(queue, drain_seconds=50) as old:
            for number in range(40):
                reports.send(envelope(number))
            letters = await take(old, 40)
            asking = asyncio.create_task(old.take(10))
            async with taking(queue) as new:
                waiting = asyncio.create_task(new.take(10))
                await asyncio.wait([waiting], timeout=2)
                assert not waiting.done(), "the partition waits for the letters"
                assert not any(letter.is_withdrawn for letter in letters)
                for letter in letters:
                    letter.acknowledge()
                before = [letter.envelope.id for letter in letters]

                async def send() -> None:
                    while not waiting.done():
                        reports.send(envelope(reports.sent))
                        await asyncio.sleep(0.05)

                await asyncio.wait_for(send(), 60)
                assert not set(ids(await waiting)) & set(before), "nothing comes again"
            asking.cancel()

    asyncio.run(main())


def test_a_worker_that_is_one_too_many_leaves_without_holding_the_others_up(broker: Broker):
    """While a group waits for a member that is gone, the broker hears no acknowledgement of the others."""
    topic = broker.new_topic(2)
    queue = broker.queue(topic)

    async def main() -> None:
        async with sending(queue) as reports, taking(queue) as old:
            for number in range(40):
                reports.send(envelope(number))
            letters = await take(old, 40)
            asking = asyncio.create_task(old.take(10))
            async with taking(queue) as new:
                waiting = asyncio.create_task(new.take(10))
                await soon(lambda: new.problem == "", lambda: new.problem)
                for letter in letters:
                    letter.acknowledge()
                waiting.cancel()
            asking.cancel()

    asyncio.run(main())
    assert [broker.committed(topic, partition=number) for number in range(2)] == broker.ends(topic)


def test_letters_that_stay_open_are_withdrawn_and_come_to_the_new_worker(broker: Broker):
    topic = broker.new_topic(2)
    queue = broker.queue(topic)

    async def main() -> None:
        async with sending(queue) as reports, taking(queue, drain_seconds=0.3) as old:
            for number in range(40):
                reports.send(envelope(number))
            letters = await take(old, 40)
            asking = asyncio.create_task(old.take(10))
            async with taking(queue) as new:
                again = await take(new, 1)
                withdrawn = {letter.envelope.id for letter in letters if letter.is_withdrawn}
                assert 0 < len(withdrawn) < 40
                for letter in letters:
                    letter.acknowledge()
                    letter.reject("too late for those that are withdrawn")
                again += await take(new, len(withdrawn) - 1)
                assert set(ids(again)) == withdrawn
                assert all(letter.may_be_repeated for letter in again)
                assert asking.done() is False
                asking.cancel()
                # Had the old one's acknowledgement counted, nothing would come again.
            asking = asyncio.create_task(old.take(10))
            assert set(ids(await asking)) <= withdrawn

    asyncio.run(main())


@pytest.mark.fault("kafka-rebalance")
def test_a_worker_that_was_frozen_finds_its_letters_withdrawn(broker: Broker):
    topic = broker.new_topic()
    queue = broker.queue(topic)
    for number in range(3):
        broker.put(topic, b"value", headers={"ce_id": f"e{number}"})

    async def main() -> None:
        with OtherWorker(queue, **QUICK) as old:
            assert old.says() == "took 3"
            old.freeze()
            async with taking(queue, **QUICK) as new:
                again = await take(new, 3)
                assert ids(again) == ["e0", "e1", "e2"]
                assert all(letter.may_be_repeated for letter in again)
                again[0].acknowledge()
                await soon(lambda: broker.committed(topic) == 1, "one acknowledged")
                old.thaw()
                assert old.says() == "withdrawn 3"
                assert old.says() == "acknowledged"
                assert broker.committed(topic) == 1

    asyncio.run(main())
    assert broker.committed(topic) == 1


@pytest.mark.fault("kafka-worker-killed")
def test_what_a_killed_worker_had_comes_again(broker: Broker):
    topic = broker.new_topic()
    queue = broker.queue(topic)
    for number in range(3):
        broker.put(topic, b"value", headers={"ce_id": f"e{number}"})

    async def main() -> None:
        with OtherWorker(queue, **QUICK) as old:
            assert old.says() == "took 3"
        async with taking(queue, **QUICK) as new:
            again = await take(new, 3)
            assert ids(again) == ["e0", "e1", "e2"]
            assert all(letter.may_be_repeated for letter in again)

    asyncio.run(main())


def test_surplus_workers_have_no_problem(broker: Broker):
    topic = broker.new_topic()
    queue = broker.queue(topic)

    async def main() -> None:
        async with taking(queue) as first, taking(queue) as second:
            waiting = [asyncio.create_task(inbox.take(1)) for inbox in (first, second)]
            assert "no broker has answered yet" in first.problem
            await soon(
                lambda: first.problem == second.problem == "", lambda: f"{first.problem} {second.problem}"
            )
            await soon(lambda: first.lag == second.lag == 0, lambda: f"{first.lag} {second.lag}")
            for task in waiting:
                task.cancel()

    asyncio.run(main())


def test_a_worker_without_partitions_leaves_at_once(broker: Broker):
    topic = broker.new_topic()
    queue = broker.queue(topic)

    async def main() -> None:
        async with taking(queue) as busy:
            asking = asyncio.create_task(busy.take(1))
            await soon(lambda: broker.members(topic) == 1, "the first has joined")
            await soon(lambda: busy.lag == 0, "it has the partition")
            async with taking(queue) as surplus:
                idle = asyncio.create_task(surplus.take(1))
                await soon(lambda: broker.members(topic) == 2, "the second has joined")
                await soon(lambda: surplus.lag == 0, "it knows that it has nothing")
                surplus.stop()
                await idle
            began = time.monotonic()
            await soon(lambda: broker.members(topic) == 1, "the second has left")
            assert time.monotonic() - began < 20, "its session ends after 45 s"
            busy.stop()
            await asking

    asyncio.run(main())
