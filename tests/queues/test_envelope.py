"""Envelopes: what a broker carries comes out as it went in, and nothing else is believed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_broker import exchange

from shadow_mw.encryption import Keyring
from shadow_mw.envelope import VERSION, Opener, Sealer
from shadow_mw.exceptions import EnvelopeError
from shadow_mw.frames import Counts
from shadow_mw.records import Envelope, Exchange

GOLDEN = Path(__file__).parent / "golden"
COUNTS = Counts((("POST /predict", "shadow", {"eligible": 3, "queue_full": 3}),))
SEALER = Sealer(service="shop", production_version="7")


def signed(sent: Exchange) -> Exchange:
    request = msgspec.structs.replace(sent.request, service="shop", production_version="7")
    return msgspec.structs.replace(sent, request=request)


def altered(envelope: Envelope, **headers: str) -> Envelope:
    return msgspec.structs.replace(envelope, headers={**envelope.headers, **headers})


@given(st.binary(max_size=200), st.binary(max_size=200), st.text(max_size=20))
def test_an_exchange_comes_out_as_it_went_in_and_says_whose_it_is(body: bytes, answer: bytes, query: str):
    sent = exchange(body=body, answer=answer, query=query)
    assert Opener().open(SEALER.exchange(sent)) == signed(sent)


def test_the_headers_tell_what_a_broker_and_its_readers_need():
    sent = exchange(7, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01", tracestate="x=y")
    envelope = SEALER.exchange(sent)
    assert (envelope.id, envelope.key) == (sent.request.exchange_id, "request-7")
    assert envelope.headers == {
        "ce_specversion": "1.0",
        "ce_id": sent.request.exchange_id,
        "ce_type": f"shadow_mw.exchange.v{VERSION}",
        "ce_source": "shop",
        "ce_time": "2026-09-21T14:13:20.000+00:00",
        "content-type": "application/vnd.shadow-mw+msgpack",
        "request_id": "request-7",
        "traceparent": sent.request.traceparent,
        "tracestate": "x=y",
    }


def test_counts_come_out_as_they_went_in():
    envelope = SEALER.counts(COUNTS)
    assert Opener().open(envelope) == COUNTS
    assert envelope.id != SEALER.counts(COUNTS).id


@pytest.mark.parametrize("name", ["exchange-v1.json", "counts-v1.json"])
def test_what_an_older_app_has_sent_is_still_read(name: str):
    """A file for each version that was ever sent: it must never change, nor be read differently."""
    golden = json.loads((GOLDEN / name).read_text())
    envelope = Envelope(id="", key="", headers=golden["headers"], value=bytes.fromhex(golden["value"]))
    content = Opener().open(envelope)
    assert json.loads(msgspec.json.encode(content)) == golden["content"]


def test_fields_of_a_newer_app_are_ignored():
    envelope = SEALER.exchange(exchange())
    content = msgspec.msgpack.decode(envelope.value)
    content["request"]["mood"] = content["mood"] = "good"
    newer = msgspec.structs.replace(envelope, value=msgspec.msgpack.encode(content))
    assert Opener().open(newer) == signed(exchange())


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"ce_type": "shadow_mw.exchange.v2"}, "envelope version 2 is not known here, where it is 1"),
        ({"ce_type": "shadow_mw.exchange.v"}, "no envelope of shadow_mw"),
        ({"ce_type": "order.placed"}, "no envelope of shadow_mw: its ce_type is 'order.placed'"),
        ({"ce_type": ""}, "no envelope of shadow_mw"),
        ({"ce_type": "shadow_mw.counts.v1"}, "could not be decoded"),
        ({"key_id": "k1"}, "encrypted with the key 'k1', and SHADOW_ENCRYPTION_KEYS is not set"),
    ],
)
def test_what_is_none_of_ours_is_refused_with_a_reason(headers: dict[str, str], said: str):
    with pytest.raises(EnvelopeError, match=said):
        Opener().open(altered(SEALER.exchange(exchange()), **headers))


@pytest.mark.fault("poison")
@given(st.integers(0, 400), st.binary(max_size=50), st.sampled_from(["exchange", "counts"]))
def test_no_bytes_do_more_than_to_be_refused(cut: int, more: bytes, kind: str):
    whole = (SEALER.exchange(exchange()) if kind == "exchange" else SEALER.counts(COUNTS)).value
    headers = {"ce_type": f"shadow_mw.{kind}.v1"}
    garbled = Envelope(id="", key="", headers=headers, value=whole[:cut] + more)
    content = None
    with contextlib.suppress(EnvelopeError):
        content = Opener().open(garbled)
    assert content is None or isinstance(content, Exchange if kind == "exchange" else Counts)


class TestEncrypted:
    @pytest.fixture
    def keys(self, tmp_path: Path) -> Any:
        def keys(*ids: str) -> Keyring:
            import base64

            lines = [f"{one}: {base64.b64encode(one.encode().ljust(32, b'.')).decode()}" for one in ids]
            file = tmp_path / "-".join(ids)
            file.write_text("\n".join(lines))
            file.chmod(0o600)
            return Keyring.from_file(file)

        return keys

    def test_nobody_without_the_key_reads_a_body_and_whoever_has_it_does(self, keys: Any):
        sent = exchange(body=b'{"card":"4111-1111"}')
        envelope = Sealer(service="shop", production_version="7", keys=keys("new", "old")).exchange(sent)
        assert envelope.headers["key_id"] == "new"
        assert b"4111" not in envelope.value
        assert len(envelope.headers) <= 10
        assert Opener(keys("other", "new")).open(envelope) == signed(sent)
        with pytest.raises(EnvelopeError, match="'new'"):
            Opener(keys("old")).open(envelope)

    def test_what_was_sealed_as_another_is_refused(self, keys: Any):
        sealer, opener = Sealer(service="shop", keys=keys("k")), Opener(keys("k"))
        envelope = sealer.exchange(exchange(1))
        other = sealer.exchange(exchange(2))
        for forged in (
            altered(envelope, ce_id=other.id),
            msgspec.structs.replace(envelope, value=other.value),
            altered(envelope, ce_type="shadow_mw.counts.v1"),
        ):
            with pytest.raises(EnvelopeError):
                opener.open(forged)

    def test_what_was_sent_before_there_were_keys_is_still_read(self, keys: Any):
        assert Opener(keys("k")).open(SEALER.exchange(exchange())) == signed(exchange())
