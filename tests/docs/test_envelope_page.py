"""docs/envelope.md against what is really sent, and what its code says of that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import msgpack
import msgspec
import pytest
from broker import Broker, running
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from memory_broker import exchange

from shadow_mw.encryption import Keyring
from shadow_mw.envelope import Sealer
from shadow_mw.frames import Counts
from shadow_mw.queues.kafka_sender import KafkaSender
from shadow_mw.queues.sqs_envelope import Claim, encode
from shadow_mw.records import Envelope, Exchange

PAGE = (Path(__file__).parents[2] / "docs" / "envelope.md").read_text()
NOW_US = 1_796_095_500_123_000


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    yield from running(Broker)


def cells(heading: str, column: int) -> list[str]:
    """The words in backticks in one column of the table under a line of headings."""
    table = PAGE.split(heading, 1)[1].split("\n\n", 1)[0]
    return [
        word
        for row in table.splitlines()[2:]
        for word in re.findall(r"`([^`]+)`", row.split("|")[column + 1])
    ]


def an_exchange() -> Exchange:
    """One with everything that a header is made of."""
    traced = exchange(7, traceparent=f"00-{'a' * 32}-{'b' * 16}-01", tracestate="vendor=1")
    return msgspec.structs.replace(traced, request=msgspec.structs.replace(traced.request, ts_us=NOW_US))


@pytest.fixture
def keys() -> Keyring:
    return Keyring({"2026-12": bytes(range(32))})


def test_the_code_of_the_page_reads_what_an_app_sends(
    broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = broker.new_topic()
    sealed = Sealer(service="shop").exchange(an_exchange())

    async def send() -> list[Any]:
        sender, reported = KafkaSender(broker.queue(topic), options={}), list[Any]()
        sender.send(sealed, reported.append)
        await sender.aclose(60)
        return reported

    assert anyio.run(send) == [None]
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/envelope.md", "exec"), {"BROKERS": broker.address, "TOPIC": topic})
    assert capsys.readouterr().out.splitlines() == [
        "2026-12-01T03:25:00.123+00:00 request-7 POST /predict 200",
        "{'x': 1} -> {'y': 1}",
    ]


def sent(keys: Keyring) -> list[Envelope]:
    """One of each: an exchange with everything, and counts; encrypted."""
    sealer = Sealer(service="shop", keys=keys)
    return [sealer.exchange(an_exchange()), sealer.counts(Counts((("POST /predict", "a", {"eligible": 1}),)))]


def test_every_header_of_the_page_is_sent_and_the_other_way_round(keys: Keyring) -> None:
    first, second = sent(keys)
    told = cells("| Kafka header |", 0)
    assert sorted(told) == sorted(first.headers)
    missing = {"request_id", "traceparent", "tracestate"}
    assert set(second.headers) == set(told) - missing
    assert "Counts have no request id" in PAGE


def test_the_attributes_in_sqs_are_those_of_the_page(keys: Keyring) -> None:
    names = cells("| Kafka header |", 1)
    events = [json.loads(encode(envelope).body) for envelope in sent(keys)]
    told = {*names, "traceparent", "tracestate"}  # which the page calls "the same"
    assert set(events[0]) == told | {"data_base64"}
    assert set(events[1]) == told - {"requestid", "traceparent", "tracestate"} | {
        "data_base64",
        "partitionkey",
    }
    claimed = json.loads(encode(sent(keys)[0], Claim("s3://b/shadow_mw/1", "00")).body)
    assert set(claimed) - set(events[0]) == {"dataref", "datasha256"}
    assert all(f"`{name}`" in PAGE for name in ("data_base64", "partitionkey", "dataref", "datasha256"))


def test_every_field_of_an_exchange_is_in_the_page() -> None:
    """By what a program sees that knows nothing of ours."""
    exchanged = msgpack.unpackb(Sealer(service="shop").exchange(an_exchange()).value)
    request, response = exchanged.pop("request"), exchanged.pop("response")
    names = [*exchanged, *(f"request.{name}" for name in request), *(f"response.{name}" for name in response)]
    assert sorted(cells("| field |", 0)) == sorted(names)
    assert {type(response["dropped"]), type(response["is_prediction"])} == {type(None), bool}
    assert {type(body) for side in (request, response) for body in (side["body"], *side["headers"][0])} == {
        bytes
    }
    counts = msgpack.unpackb(
        Sealer(service="shop").counts(Counts((("POST /p", "a", {"eligible": 1}),))).value
    )
    assert counts == {"type": "counts", "added": [["POST /p", "a", {"eligible": 1}]]}


def test_an_encrypted_value_is_what_the_page_says(keys: Keyring) -> None:
    """Decrypted by the sentences of the page alone."""
    assert "are the key id, a zero byte, `ce_type`, a zero byte and `ce_id`" in " ".join(PAGE.split())
    plain, (encrypted, _) = Sealer(service="shop").exchange(an_exchange()), sent(keys)
    headers = encrypted.headers
    assert headers["content-type"] == f"{plain.headers['content-type']}+aes256gcm"
    beside = "\0".join([headers["key_id"], headers["ce_type"], headers["ce_id"]]).encode()
    nonce, sealed = encrypted.value[:12], encrypted.value[12:]
    assert len(sealed) == len(plain.value) + 16
    assert AESGCM(bytes(range(32))).decrypt(nonce, sealed, beside) == plain.value
