"""What the variables SHADOW_KAFKA_… do, and what is said of those that can't be."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import Consumer, Producer
from kafka_tools import dotted, envelope, sending

from shadow_mw.exceptions import SettingsError
from shadow_mw.queues.kafka_history import KafkaHistory
from shadow_mw.queues.kafka_inbox import KafkaInbox
from shadow_mw.queues.kafka_names import CONSUMER_ONLY, PRODUCER_ONLY, SHARED
from shadow_mw.queues.kafka_options import (
    check_options,
    client,
    consumer_options,
    environment_options,
    producer_options,
    variable,
)
from shadow_mw.queues.kafka_sender import KafkaSender

QUEUE = "kafka://127.0.0.1:1/topic"


def told(producer: bool = True, **options: str) -> dict[str, str]:
    make = producer_options if producer else consumer_options
    return make("b:9092", dotted(options))


def test_the_environment_sets_options_by_librdkafkas_names(monkeypatch):
    monkeypatch.setenv("SHADOW_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("SHADOW_KAFKA_GROUP_ID", "ours")
    monkeypatch.setenv("SHADOW_KAFKA_LOG_LEVEL", "7")
    monkeypatch.setenv("SHADOW_QUEUE", QUEUE)
    found = environment_options()
    assert found == {"security.protocol": "SASL_SSL", "group.id": "ours", "log_level": "7"}
    assert [variable(name) for name in found] == [
        "SHADOW_KAFKA_SECURITY_PROTOCOL",
        "SHADOW_KAFKA_GROUP_ID",
        "SHADOW_KAFKA_LOG_LEVEL",
    ]


def test_a_sender_and_an_inbox_read_the_environment(monkeypatch):
    monkeypatch.setenv("SHADOW_KAFKA_LINGER_MS", "lots")
    with pytest.raises(SettingsError, match="SHADOW_KAFKA_LINGER_MS"):
        check_options(environment_options())
    monkeypatch.delenv("SHADOW_KAFKA_LINGER_MS")
    monkeypatch.setenv("SHADOW_KAFKA_SESSION_TIMEOUT_MS", "long")
    with pytest.raises(SettingsError, match="SHADOW_KAFKA_SESSION_TIMEOUT_MS"):
        KafkaInbox(QUEUE, drain_seconds=1)


def test_our_defaults_stand_behind_what_the_user_sets():
    assert told()["linger.ms"] == "20"
    assert told(linger_ms="5")["linger.ms"] == "5"
    assert list(told(delivery_timeout_ms="5"))[-1] == "delivery.timeout.ms"  # the last of two names counts
    assert told(producer=False)["group.id"] == "shadow_mw"
    assert told(producer=False, group_id="ours")["group.id"] == "ours"
    assert told(producer=False)["bootstrap.servers"] == told()["bootstrap.servers"] == "b:9092"


def test_each_side_is_told_only_what_it_has_a_use_for():
    both = {"acks": "all", "group_id": "ours", "client_id": "me", "new_thing": "1"}
    assert "group.id" not in told(**both)
    assert "acks" not in told(producer=False, **both)
    for side in (told(**both), told(producer=False, **both)):
        assert side["client.id"] == "me"
        assert side["new.thing"] == "1"


def test_the_newer_protocol_of_groups_needs_no_strategy():
    assert "partition.assignment.strategy" not in told(producer=False, group_protocol="consumer")
    check_options({"group.protocol": "consumer"})


@pytest.mark.parametrize(
    "name",
    [
        "bootstrap.servers",
        "metadata.broker.list",
        "enable.auto.commit",
        "auto.commit.enable",
        "enable.auto.offset.store",
        "delivery.report.only.error",
        "transactional.id",
        "logger",
    ],
)
def test_what_our_promises_rest_on_is_not_the_users(name: str):
    options = {name: "true"}
    for make in (
        lambda: KafkaSender(QUEUE, options=options),
        lambda: KafkaInbox(QUEUE, drain_seconds=1, options=options),
        lambda: KafkaHistory(QUEUE, options=options),
        lambda: check_options(options),
    ):
        with pytest.raises(SettingsError, match=f"^{variable(name)} is not yours to set; leave it out: "):
            make()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"sesion.timeout.ms": "1"},
            "SHADOW_KAFKA_SESION_TIMEOUT_MS: .*; did you mean SHADOW_KAFKA_SESSION_",
        ),
        ({"sasl.pasword": "hush"}, "SHADOW_KAFKA_SASL_PASWORD: .*; did you mean SHADOW_KAFKA_SASL_PASSWORD"),
        ({"error.cb": "print"}, "SHADOW_KAFKA_ERROR_CB: No such"),
        ({"client.id": "me", "linger.ms": "lots"}, "^SHADOW_KAFKA_LINGER_MS: Invalid value"),
        ({"client.id": "me", "session.timeout.ms": "0"}, "^SHADOW_KAFKA_SESSION_TIMEOUT_MS: .* 1..3600000"),
        ({"acks": "1"}, "^SHADOW_KAFKA_ACKS: .*`enable.idempotence`"),
        (
            {"security.protocol": "sasl_ssl", "sasl.mechanisms": "PLAIN", "sasl.username": "u"},
            "^SHADOW_KAFKA_SASL_USERNAME: .*sasl.password must be set",
        ),
        (
            {"client.id": "me", "ssl.ca.location": "/none", "security.protocol": "ssl"},
            "^SHADOW_KAFKA_SSL_CA_L",
        ),
    ],
)
def test_what_librdkafka_refuses_is_named(options: dict[str, str], sentence: str):
    with pytest.raises(SettingsError, match=sentence):
        check_options(options)


def test_no_password_is_ever_shown():
    options = {
        "security.protocol": "ssl",
        "ssl.key.pem": "hush-key",
        "ssl.key.password": "hush-word",
        "sasl.password": "hush-sasl",
    }
    with pytest.raises(SettingsError) as caught:
        check_options(options)
    assert "SHADOW_KAFKA_SSL_KEY_PEM" in str(caught.value)
    assert "hush" not in str(caught.value)
    fine = {"sasl.password": "hush-sasl", "sasl.username": "hush-user"}
    for shown in (
        KafkaSender(QUEUE, options=fine),
        KafkaInbox(QUEUE, drain_seconds=1, options=fine),
        KafkaHistory(QUEUE, options=fine),
    ):
        assert "topic" in repr(shown)
        assert "hush" not in repr(shown)


def test_a_sender_that_can_not_be_made_says_so_once(caplog):
    """A sender is made on the loop at the first send: what is wrong then is counted, and said once."""

    async def main() -> None:
        async with sending(QUEUE, linger_ms="lots") as reports:
            for number in range(3):
                reports.send(envelope(number))
            await reports.all()
            assert reports.buckets == dict.fromkeys(["e0", "e1", "e2"], "queue_full")

    asyncio.run(main())
    assert caplog.text.count("SHADOW_KAFKA_LINGER_MS") == 1


def test_the_names_that_we_offer_are_librdkafkas():
    for name in SHARED | PRODUCER_ONLY | CONSUMER_ONLY:
        assert "No such configuration property" not in refusal(name), name


def refusal(name: str) -> str:
    """Why the option can't have a value that makes no sense; empty where it can."""
    kind, extra = (Consumer, {"group.id": "g"}) if name in CONSUMER_ONLY else (Producer, {})
    try:
        client(kind, {**extra, name: "nonsense"}, {name: "nonsense"})
    except SettingsError as error:
        return str(error)
    return ""
