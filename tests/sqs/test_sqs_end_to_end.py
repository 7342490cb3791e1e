"""One app, SQS as two programs speak it, workers: each exchange is compared once, large ones too."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import Any

import pytest
from broker_site import compared_once, ended
from process_tools import until
from sqs_servers import Service
from stub_shadow import Asked, Reply, StubShadow

REQUESTS = 60


def at(service: Service, **more: str) -> dict[str, str]:
    return {"SHADOW_SQS_ENDPOINT_URL": service.url, **more}


@pytest.mark.parametrize("is_fifo", [False, True])
def test_of_two_workers_one_is_killed_in_the_middle(site: Any, service: Service, is_fifo: bool):
    gate = threading.Event()

    def wait(asked: Asked) -> Reply:
        gate.wait(100)
        return Reply(body=asked.body)

    queue = service.new_queue(is_fifo=is_fifo, visibility_seconds=4)
    with StubShadow(wait) as shadow:
        shadow._server.socket.listen(128)
        here = site(f"sqs://us-east-1/{queue.name}", shadow.url, **at(service))
        app, workers = here.app(), [here.worker() for _ in range(2)]
        assert app.ask_many(REQUESTS) == [b"[1]"] * REQUESTS
        shadow.wait_for(9, 60)
        workers[0].tell(signal.SIGKILL)
        gate.set()
        compared_once(app.store, REQUESTS)
        ended(app, workers[1])


def test_a_large_exchange_goes_by_way_of_the_bucket(site: Any, moto: Service, shadow: StubShadow):
    queue, bucket = moto.new_queue(), moto.new_bucket()
    more = {"SHADOW_SQS_BUCKET": bucket, "SHADOW_MAX_BODY_BYTES": "2MiB", "SHADOW_QUEUE_BYTES": "64MiB"}
    here = site(f"sqs://us-east-1/{queue.name}", shadow.url, **at(moto, **more))
    app, worker = here.app(), here.worker()
    large = json.dumps(os.urandom(700_000).hex()).encode()
    assert app.ask_many(2, body=large) == [large] * 2
    compared_once(app.store, 2)
    ended(app, worker)
    assert "Contents" not in moto.s3.list_objects_v2(Bucket=bucket)


def test_without_a_bucket_a_large_exchange_is_counted(site: Any, moto: Service, shadow: StubShadow):
    queue = moto.new_queue()
    here = site(f"sqs://us-east-1/{queue.name}", shadow.url, **at(moto))
    app, worker = here.app(), here.worker()
    large = json.dumps(os.urandom(450_000).hex()).encode()
    assert app.ask_many(2, body=large) == [large] * 2
    assert app.ask_many(3) == [b"[1]"] * 3
    assert app.books(5) == {"eligible": 5, "too_large": 2, "compared": 3, "agree": 3}
    ended(app, worker)


def test_a_foreign_message_goes_to_the_dead_letter_queue(site: Any, service: Service, shadow: StubShadow):
    queue = service.new_queue(receives=3)
    service.sqs.send_message(QueueUrl=queue.url, MessageBody="an order")
    here = site(f"sqs://us-east-1/{queue.name}", shadow.url, **at(service))
    app, worker = here.app(), here.worker()
    assert app.ask_many(4) == [b"[1]"] * 4
    compared_once(app.store, 4)

    def dead() -> Any:
        asked = {"QueueUrl": queue.dead_url, "MessageAttributeNames": ["All"]}
        return service.sqs.receive_message(**asked).get("Messages")

    [message] = until(dead, "a dead letter")
    assert message["Body"] == "an order"
    reason = message["MessageAttributes"]["shadow_mw_dead_reason"]["StringValue"]
    assert reason.startswith("this is no envelope of shadow_mw")
    ended(app, worker)
