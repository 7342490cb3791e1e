"""SQS that fails: a part of a batch, for a while, for ever. Nothing blocks, and each hears once."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import threading
import time
from typing import Any

import pytest
from sqs_mail import Reports, envelope, send, sending, soon, take, taking
from sqs_servers import PATIENCE_SECONDS, StubSQS, refused, taken
from store_servers import free_port

from shadow_mw.exceptions import MissingExtraError, SettingsError
from shadow_mw.queue_urls import sqs_address
from shadow_mw.queues.sqs_client import SQSClient
from shadow_mw.queues.sqs_sender import SQSSender

DENIED = refused("AccessDeniedException")


class Sending:
    """Answers to batches that are sent: one after the other, then all of them taken."""

    def __init__(self, *answers: tuple[int, dict[str, Any]] | str) -> None:
        self.answers = list(answers)

    def __call__(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation != "SendMessageBatch":
            return DENIED
        answer = self.answers.pop(0) if self.answers else (200, taken(request["Entries"]))
        if not isinstance(answer, str):
            return answer
        first, *rest = request["Entries"]
        failed = {"Id": first["Id"], "Code": answer, "SenderFault": "Internal" not in answer, "Message": "no"}
        return 200, {**taken(rest), "Failed": [failed]}


def number_of(entry: dict[str, Any]) -> str:
    return entry["MessageAttributes"]["request_id"]["StringValue"].removeprefix("request-")


def ids(stub: StubSQS) -> list[str]:
    return [number_of(entry) for entry in stub.entries("SendMessageBatch")]


@pytest.mark.fault("sqs-partial")
def test_only_what_failed_is_sent_again(make_stub):
    stub = make_stub(Sending("InternalError", "RequestThrottled"))
    told = asyncio.run(send(stub, [envelope(number) for number in range(5)]))
    assert told == {f"id-{number}": None for number in range(5)}
    assert sorted(ids(stub)) == ["0", "0", "0", "1", "2", "3", "4"]


def test_what_would_fail_again_is_not_sent_again(make_stub):
    stub = make_stub(Sending("InvalidMessageContents", "MessageTooLong"))
    told = asyncio.run(send(stub, [envelope(number) for number in range(12)]))
    assert told == {f"id-{number}": None for number in range(12)} | {
        "id-0": "queue_full",
        "id-10": "too_large",
    }
    assert sorted(ids(stub), key=int) == [str(number) for number in range(12)]


def test_a_batch_with_one_bad_message_is_taken_apart(make_stub):
    def answer(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation != "SendMessageBatch":
            return DENIED
        is_bad = any(number_of(entry) == "3" for entry in request["Entries"])
        return refused("InvalidMessageContents") if is_bad else (200, taken(request["Entries"]))

    told = asyncio.run(send(make_stub(answer), [envelope(number) for number in range(10)]))
    assert told == {f"id-{number}": None for number in range(10)} | {"id-3": "queue_full"}


def test_in_a_fifo_queue_nothing_overtakes_what_failed(make_stub):
    stub = make_stub(Sending("InternalError", refused("RequestThrottled")))
    stub.address = sqs_address(f"{stub.url}/1/stubbed.fifo")
    sent = [envelope(number, key="one request\x00") for number in range(12)]
    told = asyncio.run(send(stub, sent))
    assert set(told.values()) == {None}
    entries = stub.entries("SendMessageBatch")
    numbers = [entry["MessageDeduplicationId"].removeprefix("id-") for entry in entries]
    assert numbers[:11] == [*map(str, range(10)), "0"]
    assert numbers[-2:] == ["10", "11"]
    assert len({entry["MessageGroupId"] for entry in entries}) == 1


@pytest.mark.fault("sqs-partial", "sqs-refuses")
def test_whatever_happens_each_hears_once_and_what_is_told_is_true(make_stub):
    draw = random.Random(7)
    there: set[str] = set()

    def answer(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation != "SendMessageBatch":
            return DENIED
        if draw.random() < 0.2:
            return draw.choice([(500, {}), refused("RequestThrottled"), refused("BatchRequestTooLong")])
        failed = [
            {"Id": entry["Id"], "Code": code, "SenderFault": code == "InvalidMessageContents"}
            for entry in request["Entries"]
            if draw.random() < 0.2
            for code in [draw.choice(["InternalError", "RequestThrottled", "InvalidMessageContents"])]
        ]
        numbers = {one["Id"] for one in failed}
        well = [entry for entry in request["Entries"] if entry["Id"] not in numbers]
        there.update(f"id-{number_of(entry)}" for entry in well)
        return 200, {**taken(well), "Failed": failed}

    told = asyncio.run(send(make_stub(answer), [envelope(number) for number in range(300)]))
    assert {number for number, bucket in told.items() if bucket is None} == there
    assert set(told.values()) <= {None, "queue_full", "too_large"}
    assert len(there) > 200


FAULTS = [
    refused("ThrottlingException"),
    refused("RequestThrottled"),
    (500, {}),
    refused("ServiceUnavailable", 503),
    refused("ExpiredTokenException", 403),
    DENIED,
]


@pytest.mark.fault("sqs-refuses")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_costs_nothing(make_stub, fault, caplog):
    caplog.set_level(logging.INFO, "shadow_mw")
    stub = make_stub(Sending(*[fault] * 5))
    assert asyncio.run(send(stub, [envelope(number) for number in range(3)])) == {
        f"id-{n}": None for n in range(3)
    }
    said = [record.getMessage() for record in caplog.records if record.name == "shadow_mw"]
    assert len(said) == 2, said
    assert said[0].endswith("production is not affected")
    assert said[1].endswith("it works again")
    assert "QUOTED" not in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.fault("sqs-refuses")
def test_a_fault_that_does_not_pass_is_queue_full_after_a_while(make_stub, caplog):
    stub = make_stub(lambda operation, request: (500, {}))
    told = asyncio.run(send(stub, [envelope(number) for number in range(50)], give_up_seconds=1.5))
    assert told == {f"id-{number}": "queue_full" for number in range(50)}
    # With growing pauses, and two attempts of the client each.
    assert len(stub.asked) < 40
    assert len([record for record in caplog.records if record.name == "shadow_mw"]) == 1


def test_a_full_buffer_says_so_and_never_blocks(make_stub):
    gate = threading.Event()

    def answer(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        gate.wait(PATIENCE_SECONDS)
        return Sending()(operation, request)

    async def main() -> None:
        reports = Reports()
        async with sending(make_stub(answer), size=20) as sender:
            for number in range(50):
                sender.send(envelope(number), reports.of(envelope(number)))
            assert reports.all == []
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert reports.all == [(f"id-{number}", "queue_full") for number in range(20, 50)]
            gate.set()
            told = await reports.are(50)
            assert {told[f"id-{number}"] for number in range(20)} == {None}
            # There is room again.
            sender.send(envelope("more"), reports.of(envelope("more")))
            assert (await reports.are(51))["id-more"] is None

    asyncio.run(main())


def test_the_buffer_is_bounded_in_bytes_too(make_stub):
    stub = make_stub(Sending())
    told = asyncio.run(send(stub, [envelope(number, b"x" * 5000) for number in range(5)], size_bytes=20_000))
    assert list(told.values()).count("queue_full") == 2


def test_batches_hold_ten_messages_and_one_mebibyte(make_stub):
    stub = make_stub(Sending())
    asyncio.run(send(stub, [envelope(number) for number in range(35)]))
    asyncio.run(send(stub, [envelope(number, b"x" * 200_000) for number in range(9)]))
    batches = [request["Entries"] for operation, request in stub.asked if operation == "SendMessageBatch"]
    assert max(map(len, batches)) == 10
    assert max(sum(len(entry["MessageBody"]) for entry in batch) for batch in batches) <= 1_048_576
    assert len(batches) <= 7


def test_closing_brings_what_waits_within_the_deadline(make_stub):
    async def main() -> None:
        reports = Reports()
        sender = SQSSender(stub.address)
        for number in range(25):
            sender.send(envelope(number), reports.of(envelope(number)))
        await sender.aclose(PATIENCE_SECONDS)
        assert set((await reports.are(25)).values()) == {None}
        sender.send(envelope("late"), reports.of(envelope("late")))
        assert (await reports.are(26))["id-late"] == "queue_full"

    stub = make_stub(Sending(refused("RequestThrottled")))
    asyncio.run(main())


def test_closing_reports_the_rest_at_the_deadline(make_stub):
    gate = threading.Event()
    stub = make_stub(lambda operation, request: (gate.wait(PATIENCE_SECONDS), (500, {}))[1])

    async def main() -> None:
        reports = Reports()
        sender = SQSSender(stub.address)
        for number in range(25):
            sender.send(envelope(number), reports.of(envelope(number)))
        await soon(lambda: stub.asked)
        began = time.monotonic()
        await sender.aclose(0.3)
        assert time.monotonic() - began < 10
        assert set((await reports.are(25)).values()) == {"queue_full"}
        gate.set()
        await asyncio.to_thread(sender._thread.join, PATIENCE_SECONDS)
        await asyncio.sleep(0)
        assert len(reports.all) == 25

    asyncio.run(main())


def test_a_report_that_raises_keeps_no_other_from_being_made(make_stub):
    def raising(bucket: object) -> None:
        raise ValueError("planted")

    async def main() -> None:
        reports = Reports()
        async with sending(make_stub(Sending())) as sender:
            sender.send(envelope(1), raising)
            sender.send(envelope(2), reports.of(envelope(2)))
            assert await reports.are(1) == {"id-2": None}

    asyncio.run(main())


def test_nobody_at_home_is_a_sentence_for_both_ends():
    url = f"http://127.0.0.1:{free_port()}"

    class Nowhere:
        address = sqs_address(f"{url}/1/nowhere")

    async def main() -> None:
        reports = Reports()
        sender = SQSSender(Nowhere.address)
        async with taking(Nowhere, seconds=0.2) as inbox:
            sender.send(envelope(), reports.of(envelope()))
            task = asyncio.create_task(inbox.take(1))
            await soon(lambda: sender.problem and inbox.problem)
            assert f"{url} cannot be reached" in sender.problem
            assert f"{url} cannot be reached" in inbox.problem
            await sender.aclose(0.2)
        assert await task == ()
        assert await reports.are(1) == {"id-1": "queue_full"}

    asyncio.run(main())


def message(number: int) -> dict[str, str]:
    return {"MessageId": f"m{number}", "ReceiptHandle": f"r{number}", "Body": "{}"}


class Mailbox:
    """A queue of one message that is given out once; what fails is asked of `fault` first."""

    def __init__(self, *, visibility_seconds: int = 30) -> None:
        self.faults: dict[str, Any] = {}
        self.visibility_seconds = visibility_seconds
        self.left = [message(1)]

    def __call__(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation in self.faults:
            return self.faults[operation]
        if operation == "GetQueueAttributes":
            return 200, {"Attributes": {"VisibilityTimeout": str(self.visibility_seconds)}}
        if operation == "ReceiveMessage":
            messages, self.left = self.left, []
            return 200, {"Messages": messages}
        return 200, taken(request["Entries"])


def test_a_delete_that_fails_is_tried_again_and_the_letter_kept_meanwhile(make_stub):
    mailbox = Mailbox(visibility_seconds=6)
    stub = make_stub(mailbox)

    async def main() -> None:
        async with taking(stub) as inbox:
            (letter,) = await take(inbox)
            mailbox.faults["DeleteMessageBatch"] = (500, {})
            letter.acknowledge()
            await soon(lambda: inbox.problem)
            failed = [{"Id": "0", "Code": "InternalError", "SenderFault": False}]
            mailbox.faults["DeleteMessageBatch"] = (200, {"Successful": [], "Failed": failed})
            count = len(stub.entries("DeleteMessageBatch"))
            await soon(lambda: len(stub.entries("DeleteMessageBatch")) >= count + 1)
            await soon(lambda: inbox._heartbeat.renewals >= 1)
            assert not letter.is_withdrawn
            mailbox.faults.clear()
            await soon(lambda: not inbox._heartbeat.open())
            await soon(lambda: not inbox.problem)

    asyncio.run(main())


def test_a_letter_that_can_t_be_kept_is_withdrawn_for_good(make_stub, caplog):
    mailbox = Mailbox(visibility_seconds=1)
    stub = make_stub(mailbox)
    mailbox.faults["ChangeMessageVisibilityBatch"] = (500, {})

    async def main() -> None:
        async with taking(stub) as inbox:
            (letter,) = await take(inbox)
            assert not letter.is_withdrawn
            await soon(lambda: letter.is_withdrawn)
            mailbox.faults.clear()
            await soon(lambda: not inbox._heartbeat.open())
            assert letter.is_withdrawn

    asyncio.run(main())
    assert "what can't be kept is left to another worker" in caplog.text


def test_one_letter_that_can_t_be_kept_spoils_no_other(make_stub):
    mailbox = Mailbox(visibility_seconds=6)
    mailbox.left = [message(number) for number in range(3)]

    def answer(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        receipts = {entry["ReceiptHandle"] for entry in request.get("Entries", ())}
        if operation == "ChangeMessageVisibilityBatch" and "r1" in receipts:
            return refused("InvalidParameterValue")
        return mailbox(operation, request)

    async def main() -> None:
        async with taking(make_stub(answer)) as inbox:
            letters = await take(inbox, 3)
            await soon(lambda: inbox._heartbeat.renewals >= 2)
            assert [letter.is_withdrawn for letter in letters] == [False, True, False]

    asyncio.run(main())


def test_receivers_are_several_where_there_is_much_and_never_fetch_more_than_was_asked_for(make_stub):
    lock = threading.Lock()
    given = under_way = most_under_way = 0

    def answer(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        nonlocal given, under_way, most_under_way
        if operation != "ReceiveMessage":
            return Mailbox()(operation, request)
        with lock:
            under_way += 1
            most_under_way = max(most_under_way, under_way)
            first, given = given, given + request["MaxNumberOfMessages"]
        time.sleep(0.05)  # how far the service is away
        with lock:
            under_way -= 1
        numbers = range(first, first + request["MaxNumberOfMessages"])
        return 200, {
            "Messages": [{"MessageId": f"m{n}", "ReceiptHandle": f"r{n}", "Body": "{}"} for n in numbers]
        }

    async def main() -> None:
        had: list[Any] = []
        async with taking(make_stub(answer)) as inbox:
            while len(had) < 400:
                letters = await asyncio.wait_for(inbox.take(60), PATIENCE_SECONDS)
                had += letters
                assert len(letters) <= 60
                assert given <= len(had) + 60
                for letter in letters:
                    letter.acknowledge()
        assert len({letter.message_id for letter in had}) == len(had)

    asyncio.run(main())
    assert 2 <= most_under_way <= 4


def test_an_inbox_that_can_t_receive_says_why_and_goes_on_by_itself(make_stub):
    mailbox = Mailbox()
    stub = make_stub(mailbox)
    mailbox.faults["ReceiveMessage"] = refused("InvalidClientTokenId", 403)

    async def main() -> None:
        async with taking(stub) as inbox:
            task = asyncio.create_task(inbox.take(3))
            await soon(lambda: inbox.problem)
            assert inbox.problem == "the credentials for AWS are not accepted (InvalidClientTokenId)"
            mailbox.faults.clear()
            (letter,) = await asyncio.wait_for(task, PATIENCE_SECONDS)
            await soon(lambda: not inbox.problem)
            letter.acknowledge()

    asyncio.run(main())


def test_a_queue_whose_attributes_may_not_be_read_works_all_the_same(make_stub, caplog):
    mailbox = Mailbox()
    stub = make_stub(mailbox)
    mailbox.faults["GetQueueAttributes"] = DENIED

    async def main() -> None:
        async with taking(stub) as inbox:
            (letter,) = await take(inbox)
            assert inbox.lag is None
            assert inbox.problem == ""
            letter.acknowledge()

    asyncio.run(main())
    assert stub.entries("DeleteMessageBatch")[0]["ReceiptHandle"] == "r1"
    assert caplog.text.count("do not allow GetQueueAttributes") == 1


def test_a_dead_letter_that_may_not_be_put_away_is_left_to_the_queue(make_stub, caplog):
    mailbox = Mailbox()
    stub = make_stub(mailbox)
    policy = '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:dead", "maxReceiveCount": 3}'
    mailbox.faults["GetQueueAttributes"] = (
        200,
        {"Attributes": {"VisibilityTimeout": "30", "RedrivePolicy": policy}},
    )
    mailbox.faults["SendMessage"] = (500, {})

    async def main() -> None:
        async with taking(stub) as inbox:
            (letter,) = await take(inbox)
            letter.reject("it can't be read")
            await soon(lambda: inbox.problem)
            assert inbox._heartbeat.open() == [letter]
            mailbox.faults["SendMessage"] = DENIED
            await soon(lambda: not inbox._heartbeat.open())

    asyncio.run(main())
    sent = [request for operation, request in stub.asked if operation == "SendMessage"]
    assert sent[0]["QueueUrl"] == f"{stub.url}/1/dead"
    assert stub.entries("DeleteMessageBatch") == []
    assert "SQS will give it to a worker again" in caplog.text


def test_without_its_library_it_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shadow-mw\[sqs\]'"):
        SQSClient(sqs_address("sqs://eu-central-1/name"))


def test_no_region_is_an_error_that_says_what_to_set(monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(SettingsError, match=r"AWS_REGION.*sqs://REGION/NAME"):
        SQSClient(sqs_address("http://localhost:4566/1/name"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert "eu-north-1" in repr(SQSClient(sqs_address("http://localhost:4566/1/name")))


def test_no_credentials_is_a_sentence_that_says_where_they_are_looked_for(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    class Anywhere:
        address = sqs_address("sqs://eu-central-1/name")

    async def main() -> None:
        async with taking(Anywhere, seconds=1) as inbox:
            task = asyncio.create_task(inbox.take(1))
            await soon(lambda: inbox.problem)
            assert "AWS_ACCESS_KEY_ID" in inbox.problem
            assert "~/.aws" in inbox.problem
        assert await task == ()

    asyncio.run(main())
