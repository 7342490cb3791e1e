"""From a sender to an inbox, by way of two real implementations of SQS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import time

import pytest
from sqs_mail import Reports, envelope, send, sending, soon, take, taking
from sqs_servers import PATIENCE_SECONDS, REGION, Queue, Service

from shadow_mw.queue_urls import sqs_address
from shadow_mw.queues.sqs_inbox import SQSInbox


@pytest.mark.fault("sqs-bytes")
def test_any_bytes_get_through_and_nothing_is_left(service: Service):
    queue = service.new_queue()
    values = [b"", bytes(range(256)), b"\x00" * 1000, "\ud7ff\ufffe".encode(), os.urandom(5000), b"]]>&amp;"]
    sent = [envelope(number, value) for number, value in enumerate(values * 5)]

    async def main() -> None:
        assert set((await send(queue, sent)).values()) == {None}
        async with taking(queue) as inbox:
            letters = await take(inbox, len(sent))
            assert sorted((letter.envelope for letter in letters), key=lambda one: int(one.id[3:])) == sent
            assert not any(letter.flaw or letter.is_withdrawn for letter in letters)
            assert all(letter.may_be_repeated for letter in letters)
            assert inbox.problem == ""
            for letter in letters:
                letter.acknowledge()
                letter.acknowledge()

    asyncio.run(main())
    assert queue.counts() == (0, 0)


def test_a_queue_can_be_named_by_its_url(service: Service):
    queue = service.new_queue()

    class ByURL:
        address = sqs_address(queue.url)

    async def main() -> None:
        async with sending(ByURL) as sender, taking(ByURL) as inbox:
            reports = Reports()
            sender.send(envelope(), reports.of(envelope()))
            (letter,) = await take(inbox)
            assert letter.envelope == envelope()
            assert await reports.are(1) == {"id-1": None}

    asyncio.run(main())


def test_message_attributes_are_there_for_those_who_filter(service: Service):
    queue = service.new_queue()
    asyncio.run(send(queue, [envelope()]))
    (message,) = queue.receive(seconds=5)
    told = {name: attribute["StringValue"] for name, attribute in message["MessageAttributes"].items()}
    assert told == {
        "request_id": "request-1",
        "traceparent": envelope().headers["traceparent"],
        "ce_type": "shadow_mw.exchange.v1",
    }


def test_no_more_is_received_than_was_asked_for(service: Service):
    queue = service.new_queue()

    async def main() -> None:
        await send(queue, [envelope(number) for number in range(30)])
        async with taking(queue) as inbox:
            for limit in (1, 3, 15):
                before = queue.counts()[1]
                letters = await asyncio.wait_for(inbox.take(limit), PATIENCE_SECONDS)
                assert 1 <= len(letters) <= limit
                assert before <= queue.counts()[1] <= before + limit
            # What was asked for and came late is on the shelf, and goes first.
            letters = await take(inbox, 10)
            assert len(letters) == len({letter.message_id for letter in letters})
        assert sum(queue.counts()) == 30

    asyncio.run(main())


def test_what_is_not_acknowledged_comes_again_and_says_so(service: Service):
    queue = service.new_queue(is_fifo=True)

    async def main() -> None:
        await send(queue, [envelope()])
        async with taking(queue) as inbox:
            (letter,) = await take(inbox)
            assert not letter.may_be_repeated
            assert not letter.is_withdrawn
        async with taking(queue) as inbox:
            (again,) = await take(inbox)
            assert again.envelope == letter.envelope
            assert again.may_be_repeated
            again.acknowledge()
        assert queue.counts() == (0, 0)

    asyncio.run(main())


def test_a_fifo_queue_keeps_the_order_of_a_request_and_takes_nothing_twice(service: Service):
    queue = service.new_queue(is_fifo=True)
    sent = [envelope(number, key="one request") for number in range(25)]

    async def main() -> None:
        await send(queue, sent)
        await send(queue, sent)
        async with taking(queue) as inbox:
            letters = []
            while len(letters) < len(sent):
                for letter in await asyncio.wait_for(inbox.take(10), PATIENCE_SECONDS):
                    letters.append(letter)
                    letter.acknowledge()
            assert [letter.envelope for letter in letters] == sent
        assert queue.counts() == (0, 0)

    asyncio.run(main())


@pytest.mark.fault("sqs-third")
def test_the_third_delivery_is_to_the_dead_letters(service: Service):
    queue = service.new_queue(receives=2)

    async def main() -> None:
        await send(queue, [envelope()])
        for _ in range(2):
            async with taking(queue) as inbox:
                await take(inbox)
        async with taking(queue) as inbox:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(inbox.take(1), 2)

    asyncio.run(main())
    assert len(queue.receive_dead()) == 1
    assert queue.counts() == (0, 0)


@pytest.mark.fault("sqs-claim")
@pytest.mark.parametrize("is_fifo", [False, True])
def test_what_is_rejected_is_among_the_dead_letters_with_its_reason(service: Service, is_fifo: bool):
    queue = service.new_queue(receives=5, is_fifo=is_fifo)

    async def main() -> None:
        await send(queue, [envelope()])
        async with taking(queue) as inbox:
            (letter,) = await take(inbox)
            letter.reject("it is of version 7\x00 and that is not known é")
            letter.acknowledge()

    asyncio.run(main())
    (dead,) = queue.receive_dead()
    told = {name: attribute["StringValue"] for name, attribute in dead["MessageAttributes"].items()}
    assert told["shadow_mw_dead_reason"] == "it is of version 7? and that is not known ?"
    assert told["request_id"] == "request-1"
    assert len(told["shadow_mw_message_id"]) > 10
    assert json.loads(dead["Body"])["id"] == "id-1"
    assert queue.counts() == (0, 0)


def test_without_a_dead_letter_queue_nothing_is_lost_and_nothing_held_up(service: Service, caplog):
    queue = service.new_queue()

    async def main() -> None:
        await send(queue, [envelope(number) for number in range(3)])
        async with taking(queue) as inbox:
            for letter in await take(inbox, 3):
                letter.reject("it can't be read")
        await send(queue, [envelope("next")])
        async with taking(queue) as inbox:
            (letter,) = await take(inbox)
            assert letter.envelope.id == "id-next"
            letter.acknowledge()

    asyncio.run(main())
    assert queue.counts() == (0, 3)
    told = [record.getMessage() for record in caplog.records if "redrive policy" in record.getMessage()]
    assert len(told) == 1
    assert told[0].endswith("production is not affected")


def test_a_message_of_somebody_else_is_a_letter_that_can_be_rejected(service: Service):
    queue = service.new_queue(receives=5)
    service.sqs.send_message(QueueUrl=queue.url, MessageBody="<hello>é")

    async def main() -> None:
        async with taking(queue) as inbox:
            (letter,) = await take(inbox)
            assert letter.envelope.headers == {}
            assert letter.envelope.value == "<hello>é".encode()
            letter.reject("it is none of ours")

    asyncio.run(main())
    (dead,) = queue.receive_dead()
    assert dead["Body"] == "<hello>é"
    assert set(dead["MessageAttributes"]) == {"shadow_mw_dead_reason", "shadow_mw_message_id"}


@pytest.mark.fault("sqs-late")
def test_the_heartbeat_keeps_a_letter_for_longer_than_the_queue_would(service: Service):
    queue = service.new_queue(visibility_seconds=4)

    async def main() -> None:
        await send(queue, [envelope(number) for number in range(12)])
        async with taking(queue) as inbox:
            letters = await take(inbox, 12)
            await soon(lambda: inbox._heartbeat.renewals >= 12 * 3)
            assert await asyncio.to_thread(queue.receive) == []
            assert not any(letter.is_withdrawn for letter in letters)
            for letter in letters:
                letter.acknowledge()
        assert queue.counts() == (0, 0)

    asyncio.run(main())


def test_a_letter_that_is_not_ours_any_more_is_withdrawn(service: Service):
    queue = service.new_queue(visibility_seconds=2)

    async def main() -> None:
        await send(queue, [envelope()])
        async with taking(queue) as inbox:
            (letter,) = await take(inbox)
            service.sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=letter.receipt)
            await soon(lambda: letter.is_withdrawn)
            letter.acknowledge()

    asyncio.run(main())


def test_a_cancelled_take_loses_no_letter(service: Service):
    queue = service.new_queue()

    async def main() -> None:
        async with taking(queue) as inbox:
            task = asyncio.create_task(inbox.take(5))
            await soon(lambda: inbox._receivers._reserved)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await send(queue, [envelope(number) for number in range(5)])
            assert {letter.envelope.id for letter in await take(inbox, 5)} == {f"id-{n}" for n in range(5)}

    asyncio.run(main())


def test_stop_ends_a_take_at_once_and_releases_what_comes_after_it(service: Service):
    queue = service.new_queue()

    async def main() -> None:
        inbox = SQSInbox(queue.address, endpoint_url=service.url)
        task = asyncio.create_task(inbox.take(5))
        await soon(lambda: inbox._receivers._reserved)
        began = time.monotonic()
        inbox.stop()
        assert await task == ()
        assert await inbox.take(5) == ()
        await send(queue, [envelope()])
        await soon(lambda: not inbox._receivers._reserved)
        await inbox.aclose(PATIENCE_SECONDS)
        assert time.monotonic() - began < 15

    asyncio.run(main())
    assert queue.counts() == (1, 0)


def test_many_workers_share_a_queue_and_nothing_is_done_twice_or_lost(service: Service):
    queue = service.new_queue(visibility_seconds=60)
    sent = [envelope(number) for number in range(120)]
    done: list[str] = []

    async def work(inbox: SQSInbox) -> None:
        while letters := await inbox.take(7):
            done.extend(letter.envelope.id for letter in letters)
            for letter in letters:
                letter.acknowledge()

    async def main() -> None:
        async with taking(queue) as one, taking(queue) as two, taking(queue) as three:
            inboxes = (one, two, three)
            tasks = [asyncio.create_task(work(inbox)) for inbox in inboxes]
            await send(queue, sent)
            await soon(lambda: len(done) >= len(sent))
            for inbox in inboxes:
                inbox.stop()
            await asyncio.gather(*tasks)

    asyncio.run(main())
    assert sorted(done) == sorted(one.id for one in sent)
    assert queue.counts() == (0, 0)


DYING = """
import asyncio, sys
from shadow_mw.queue_urls import sqs_address
from shadow_mw.queues.sqs_inbox import SQSInbox

async def main():
    inbox = SQSInbox(sqs_address(sys.argv[1]), endpoint_url=sys.argv[2])
    (letter,) = await inbox.take(1)
    print(letter.envelope.id, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_what_a_worker_had_that_was_killed_comes_to_another(service: Service):
    queue = service.new_queue(is_fifo=True, visibility_seconds=2)
    asyncio.run(send(queue, [envelope()]))
    command = [sys.executable, "-c", DYING, f"sqs://{REGION}/{queue.name}", service.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "id-1\n"
        child.kill()

    async def main() -> None:
        async with taking(queue) as inbox:
            (letter,) = await take(inbox)
            assert letter.envelope == envelope()
            assert letter.may_be_repeated
            letter.acknowledge()

    asyncio.run(main())
    assert queue.counts() == (0, 0)


ENDING = """
import asyncio, sys
from shadow_mw.queue_urls import sqs_address
from shadow_mw.queues.sqs_inbox import SQSInbox

async def main():
    inbox = SQSInbox(sqs_address(sys.argv[1]), endpoint_url=sys.argv[2])
    task = asyncio.create_task(inbox.take(5))
    while not inbox._receivers._reserved or inbox.lag is None:
        await asyncio.sleep(0.01)
    inbox.stop()
    assert await task == ()
    await inbox.aclose(5)
    print("over")

asyncio.run(main())
"""


def test_a_process_ends_without_waiting_for_a_message(service: Service):
    queue = service.new_queue()
    command = [sys.executable, "-c", ENDING, f"sqs://{REGION}/{queue.name}", service.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "over\n"
        began = time.monotonic()
        _, said = child.communicate(timeout=PATIENCE_SECONDS)
        assert time.monotonic() - began < 15
    assert (child.returncode, said) == (0, "")


def test_a_close_without_a_take_or_a_send_asks_nobody():
    class Nowhere:
        address = sqs_address("http://127.0.0.1:9/1/nowhere")

    async def main() -> None:
        async with taking(Nowhere), sending(Nowhere):
            pass

    asyncio.run(main())


def test_what_is_open_can_be_acknowledged_after_a_stop(service: Service):
    queue = service.new_queue()

    async def main() -> None:
        await send(queue, [envelope(1), envelope(2)])
        async with taking(queue) as inbox:
            letters = await take(inbox, 2)
            inbox.stop()
            letters[0].acknowledge()

    asyncio.run(main())
    assert queue.counts() == (1, 0)


def test_the_lag_is_what_waits_in_the_queue(service: Service):
    queue = service.new_queue()

    async def main() -> None:
        await send(queue, [envelope(number) for number in range(7)])
        async with taking(queue) as inbox:
            assert inbox.lag is None
            await take(inbox)
            await soon(lambda: inbox.lag is not None)
            assert 6 <= inbox.lag <= 7

    asyncio.run(main())


def test_a_queue_that_is_not_there_yet_is_a_problem_until_it_is(service: Service):
    queue = Queue(service, f"q{os.urandom(6).hex()}", "", "")

    async def main() -> None:
        reports = Reports()
        async with sending(queue) as sender, taking(queue) as inbox:
            sender.send(envelope(), reports.of(envelope()))
            task = asyncio.create_task(inbox.take(1))
            sentence = f"there is no queue named '{queue.name}' in {REGION}"
            await soon(lambda: (inbox.problem, sender.problem) == (sentence, sentence))
            assert inbox.lag is None
            service.sqs.create_queue(QueueName=queue.name)
            (letter,) = await asyncio.wait_for(task, PATIENCE_SECONDS)
            letter.acknowledge()
            assert await reports.are(1) == {"id-1": None}
            await soon(lambda: (inbox.problem, sender.problem) == ("", ""))

    asyncio.run(main())


def test_our_calls_are_not_in_the_log_of_an_app_that_logs_everything(service: Service, caplog):
    queue = service.new_queue()
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        await send(queue, [envelope()])
        async with taking(queue) as inbox:
            (letter,) = await take(inbox)
            letter.acknowledge()
            await soon(lambda: inbox.lag is not None)

    caplog.clear()
    asyncio.run(main())
    chatty = {record.name for record in caplog.records if record.threadName.startswith("shadow_mw")}
    assert {name for name in chatty if not name.startswith("shadow_mw")} == set()
    caplog.clear()
    queue.counts()
    assert any(record.name.startswith("botocore") for record in caplog.records)
