"""Values that are too large for a message of SQS: by way of S3, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from typing import Any

import pytest
from sqs_mail import Reports, envelope, send, sending, soon, take, taking
from sqs_servers import Queue, Service, StubSQS, refused, taken, until

from shadow_mw.queues.sqs_client import SQSClient
from shadow_mw.queues.sqs_envelope import LIMIT_BYTES, OLD_LIMIT_BYTES, RESERVE_BYTES

LARGE = os.urandom(LIMIT_BYTES)


def keys(service: Service, bucket: str) -> list[str]:
    return [found["Key"] for found in service.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_large_value_goes_by_way_of_the_bucket_and_is_deleted_in_the_end(moto: Service):
    queue, bucket = moto.new_queue(), moto.new_bucket()

    async def main() -> None:
        assert await send(queue, [envelope(1, LARGE), envelope(2)], bucket=bucket) == {
            "id-1": None,
            "id-2": None,
        }
        assert keys(moto, bucket) == ["shadow_mw/id-1"]
        async with taking(queue, bucket=bucket) as inbox:
            letters = await take(inbox, 2)
            assert {letter.envelope.id: letter.envelope for letter in letters} == {
                "id-1": envelope(1, LARGE),
                "id-2": envelope(2),
            }
            for letter in letters:
                letter.acknowledge()
            await soon(lambda: keys(moto, bucket) == [])

    asyncio.run(main())
    assert queue.counts() == (0, 0)


def test_the_message_of_a_claim_says_where_the_value_is_and_what_it_is(moto: Service):
    queue, bucket = moto.new_queue(), moto.new_bucket()
    asyncio.run(send(queue, [envelope(1, LARGE)], bucket=bucket))
    (message,) = queue.receive(seconds=5)
    event = json.loads(message["Body"])
    assert event["dataref"] == f"s3://{bucket}/shadow_mw/id-1"
    assert event["datasha256"] == hashlib.sha256(LARGE).hexdigest()
    assert "data_base64" not in event


def test_without_a_bucket_a_large_value_is_too_large(service: Service):
    queue = service.new_queue()
    sent = [envelope(1, LARGE), envelope(2), envelope(3, LARGE[: LIMIT_BYTES * 3 // 4])]
    told = asyncio.run(send(queue, sent))
    assert told == {"id-1": "too_large", "id-2": None, "id-3": "too_large"}
    assert queue.counts() == (1, 0)


def test_what_just_fits_is_sent_and_one_byte_more_is_not(moto: Service):
    queue = moto.new_queue()
    room = LIMIT_BYTES - RESERVE_BYTES - 1000
    told = asyncio.run(
        send(queue, [envelope(1, LARGE[: room * 3 // 4]), envelope(2, LARGE[: (room + 1400) * 3 // 4])])
    )
    assert told == {"id-1": None, "id-2": "too_large"}


def test_the_limit_of_the_queue_itself_holds(moto: Service):
    queue, bucket = moto.new_queue(), moto.new_bucket()
    moto.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"MaximumMessageSize": "4096"})
    sent = [envelope(1, b"x" * 1000), envelope(2, b"x" * 3000)]
    assert asyncio.run(send(queue, sent, bucket=bucket)) == {"id-1": None, "id-2": None}
    assert keys(moto, bucket) == ["shadow_mw/id-2"]
    assert asyncio.run(send(queue, [envelope(3, b"x" * 3000)])) == {"id-3": "too_large"}


def test_a_service_with_the_old_limit_is_believed(make_stub):
    def answer(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation != "SendMessageBatch":
            return refused("AccessDeniedException")
        size = sum(len(entry["MessageBody"]) for entry in request["Entries"])
        return refused("BatchRequestTooLong") if size > OLD_LIMIT_BYTES else (200, taken(request["Entries"]))

    stub: StubSQS = make_stub(answer)
    sent = [envelope(1, b"x" * 300_000), envelope(2, b"x" * 150_000), envelope(3, b"x" * 150_000)]
    assert asyncio.run(send(stub, sent)) == {"id-1": "too_large", "id-2": None, "id-3": None}


async def take_one(queue: Queue, bucket: str) -> Any:
    async with taking(queue, bucket=bucket) as inbox:
        (letter,) = await take(inbox)
        if letter.flaw:
            letter.reject(letter.flaw)
        else:
            letter.acknowledge()
        return letter


def flaw_of(queue: Queue, bucket: str) -> str:
    """The flaw of the one letter there, as it also stands among the dead letters."""
    letter = asyncio.run(take_one(queue, bucket))
    assert letter.envelope.value == b""
    assert letter.envelope.headers == envelope().headers
    (dead,) = queue.receive_dead()
    assert dead["MessageAttributes"]["shadow_mw_dead_reason"]["StringValue"] == letter.flaw
    assert json.loads(dead["Body"])["dataref"]
    assert queue.counts() == (0, 0)
    return letter.flaw


@pytest.mark.fault("sqs-claim")
def test_a_missing_value_is_a_flaw(moto: Service):
    queue, bucket = moto.new_queue(receives=5), moto.new_bucket()
    asyncio.run(send(queue, [envelope(1, LARGE)], bucket=bucket))
    moto.s3.delete_object(Bucket=bucket, Key="shadow_mw/id-1")
    where = f"'s3://{bucket}/shadow_mw/id-1'"
    assert flaw_of(queue, bucket) == f"its value is not in the bucket any more: {where}"


@pytest.mark.fault("sqs-claim")
@pytest.mark.parametrize("other", [b"", LARGE[:-1], LARGE + b"!"])
def test_a_corrupt_value_is_a_flaw(moto: Service, other: bytes):
    queue, bucket = moto.new_queue(receives=5), moto.new_bucket()
    asyncio.run(send(queue, [envelope(1, LARGE)], bucket=bucket))
    moto.s3.put_object(Bucket=bucket, Key="shadow_mw/id-1", Body=other)
    where = f"'s3://{bucket}/shadow_mw/id-1'"
    assert flaw_of(queue, bucket) == f"its value in the bucket is not the one that was sent: {where}"
    assert keys(moto, bucket) == ["shadow_mw/id-1"]


def test_a_worker_without_the_bucket_says_what_to_set(moto: Service):
    queue, bucket = moto.new_queue(receives=5), moto.new_bucket()
    asyncio.run(send(queue, [envelope(1, LARGE)], bucket=bucket))
    assert "SHADOW_SQS_BUCKET is not set" in flaw_of(queue, "")


@pytest.mark.parametrize(
    "ref",
    [
        "s3://other/shadow_mw/id-1",
        "s3://{bucket}/secret",
        "s3://{bucket}/shadow_mw/dead/1",
        "https://x/y",
        "",
    ],
)
def test_a_stranger_can_have_nothing_else_fetched_or_deleted(moto: Service, ref: str):
    queue, bucket = moto.new_queue(receives=5), moto.new_bucket()
    for key in ("secret", "shadow_mw/dead/1"):
        moto.s3.put_object(Bucket=bucket, Key=key, Body=b"secret")
    sha256 = hashlib.sha256(b"secret").hexdigest()
    event = {"id": "1", "type": "t", "dataref": ref.format(bucket=bucket), "datasha256": sha256}
    moto.sqs.send_message(QueueUrl=queue.url, MessageBody=json.dumps(event))

    async def main() -> None:
        async with taking(queue, bucket=bucket) as inbox:
            (letter,) = await take(inbox)
            assert "not where SHADOW_SQS_BUCKET says" in letter.flaw
            assert letter.envelope.value == b""
            letter.acknowledge()

    asyncio.run(main())
    assert keys(moto, bucket) == ["secret", "shadow_mw/dead/1"]


def test_a_bucket_that_is_not_there_holds_up_no_small_exchange(moto: Service):
    queue = moto.new_queue()

    async def main() -> None:
        told = await send(
            queue, [envelope(1, LARGE), envelope(2)], bucket="no-such-bucket", give_up_seconds=2
        )
        assert told == {"id-1": "queue_full", "id-2": None}

    asyncio.run(main())


def test_a_bucket_that_comes_back_is_used(moto: Service):
    queue, bucket = moto.new_queue(), "late-bucket"

    async def main() -> None:
        reports = Reports()
        async with sending(queue, bucket=bucket) as sender:
            sender.send(envelope(1, LARGE), reports.of(envelope(1)))
            await soon(lambda: sender.problem)
            assert sender.problem == "there is no bucket named 'late-bucket' (SHADOW_SQS_BUCKET)"
            moto.s3.create_bucket(Bucket=bucket)
            assert await reports.are(1) == {"id-1": None}
            assert sender.problem == ""

    asyncio.run(main())


def test_while_the_bucket_can_t_be_asked_a_letter_waits(moto: Service, monkeypatch):
    queue, bucket = moto.new_queue(), moto.new_bucket()
    ask = SQSClient.ask_bucket
    monkeypatch.setattr(
        SQSClient, "ask_bucket", lambda self, operation, **more: ask(self, operation, **{**more, **where})
    )
    where: dict[str, str] = {}

    async def main() -> None:
        await send(queue, [envelope(1, LARGE)], bucket=bucket)
        where["Bucket"] = "away"
        async with taking(queue, bucket=bucket) as inbox:
            task = asyncio.create_task(inbox.take(1))
            await soon(lambda: inbox.problem)
            assert "there is no bucket" in inbox.problem
            assert not task.done()
        assert await task == ()
        assert sum(queue.counts()) == 1

    asyncio.run(main())


def test_without_a_dead_letter_queue_the_bucket_takes_the_dead(moto: Service):
    queue, bucket = moto.new_queue(), moto.new_bucket()

    async def main() -> None:
        await send(queue, [envelope()])
        async with taking(queue, bucket=bucket) as inbox:
            (letter,) = await take(inbox)
            letter.reject("it can't be read")
            return letter.message_id

    key = f"shadow_mw/dead/{asyncio.run(main())}"
    assert until(lambda: keys(moto, bucket)) == [key]
    found = moto.s3.get_object(Bucket=bucket, Key=key)
    assert found["Metadata"] == {"shadow-mw-dead-reason": "it can't be read"}
    assert json.loads(found["Body"].read())["id"] == "id-1"
    assert queue.counts() == (0, 0)
