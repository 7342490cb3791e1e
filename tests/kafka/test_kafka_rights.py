"""A broker with users and rights: whoever lacks one is told once, and goes on when it is given."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import DEADLINE_SECONDS, Broker, free_ports, running, soon
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from kafka_tools import envelope, ids, sending, taking

from shadow_mw.queues import kafka_health, kafka_producer

#: Whoever comes by the plain listener may do everything; by the other one, only what a rule allows.
_RULES = """\
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_app="open sesame";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
_APP = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "PLAIN",
    "sasl_username": "app",
    "sasl_password": "open sesame",
}


class GuardedBroker(Broker):
    """One that asks users of a second listener who they are."""

    def __init__(self, folder: Path) -> None:
        [self.guarded_port] = free_ports(1)
        super().__init__(folder, f"SASL_PLAINTEXT://127.0.0.1:{self.guarded_port}", _RULES)

    def guarded_queue(self, topic: str) -> str:
        return f"kafka://127.0.0.1:{self.guarded_port}/{topic}"

    def allow(self, kind: ResourceType, name: str, operation: AclOperation) -> None:
        told = (kind, name, ResourcePatternType.LITERAL, "User:app", "*", operation, AclPermissionType.ALLOW)
        rule = AclBinding(*told)
        admin = self._admin()
        admin.create_acls([rule])[rule].result(DEADLINE_SECONDS)


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedBroker]:
    yield from running(GuardedBroker)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What works counts as recovered at once, and what was refused is tried again soon."""
    monkeypatch.setattr(kafka_health, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(kafka_producer, "_MEND_SECONDS", 0.5)


@pytest.mark.fault("kafka-denied")
def test_an_app_that_may_not_write_is_told_once_and_goes_on_when_it_may(guarded, impatient, caplog):
    topic = guarded.new_topic()

    async def main() -> None:
        async with sending(guarded.guarded_queue(topic), **_APP) as reports:
            cpu, began = time.process_time(), time.monotonic()
            for _ in range(10):
                reports.send(envelope(reports.sent))
                await reports.all()
            assert set(reports.buckets.values()) == {"queue_full"}
            assert "uthorization failed" in reports.sender.problem
            await asyncio.sleep(1.0)  # for whoever tries in a loop, which would take all of it
            assert time.process_time() - cpu < 0.5 * (time.monotonic() - began)
            await asyncio.to_thread(guarded.allow, ResourceType.TOPIC, topic, AclOperation.WRITE)

            async def send() -> None:
                while None not in reports.buckets.values():
                    reports.send(envelope(reports.sent))
                    await reports.all()

            await asyncio.wait_for(send(), DEADLINE_SECONDS)
            assert reports.sender.problem == ""

    asyncio.run(main())
    assert len(guarded.contents(topic)) == 1
    assert caplog.text.count(f"sending to the Kafka topic {topic} fails") == 1
    assert "open sesame" not in caplog.text


@pytest.mark.fault("kafka-denied")
def test_a_worker_that_may_not_read_is_told_once_and_goes_on_when_it_may(guarded, impatient, caplog):
    topic = guarded.new_topic()
    guarded.put(topic, b"value", headers=[("ce_id", b"e0")])

    async def main() -> None:
        async with taking(guarded.guarded_queue(topic), **_APP) as inbox:
            waiting = asyncio.create_task(inbox.take(10))
            await soon(lambda: "uthorization failed" in inbox.problem, lambda: f"a refusal: {inbox.problem}")
            await asyncio.to_thread(guarded.allow, ResourceType.TOPIC, topic, AclOperation.READ)
            await asyncio.to_thread(guarded.allow, ResourceType.GROUP, topic, AclOperation.READ)
            assert ids(await asyncio.wait_for(waiting, DEADLINE_SECONDS)) == ["e0"]
            await soon(lambda: inbox.problem == "", lambda: inbox.problem)

    asyncio.run(main())
    assert caplog.text.count(f"taking from the Kafka topic {topic} fails") >= 1
