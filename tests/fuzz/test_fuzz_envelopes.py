"""What a broker, a bucket or a socket brings: opened, or refused with a sentence, and nothing else."""

from __future__ import annotations

import contextlib
import json
import struct

import msgspec
import pytest
from fuzz_material import json_values, mutated, odd, texts
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from memory_broker import exchange

from shadow_mw.encryption import Keyring
from shadow_mw.envelope import Opener, Sealer
from shadow_mw.exceptions import EnvelopeError, FrameError, SettingsError
from shadow_mw.frames import Counts, FrameReader, ToWorker, encode
from shadow_mw.queues import sqs_envelope
from shadow_mw.queues.kafka_letters import envelope_of
from shadow_mw.records import Envelope, Exchange
from shadow_mw.shadows.model_frames import FromModel, Predicted

KEYS = Keyring({"k": b"k" * 32})
COUNTS = Counts((("POST /predict", "shadow", {"eligible": 3}),))
PLAIN = Sealer(service="shop").exchange(exchange())
SEALED = Sealer(service="shop", keys=KEYS).exchange(exchange())
#: Nested so deep that no reader may follow it: maps in a field that nobody knows.
DEEP = b"\x81\xa1x" * 100_000 + b"\xc0"
_HEAD = struct.Struct(">BII")

headers = st.dictionaries(
    st.sampled_from(["ce_type", "ce_id", "key_id", "content-type", "request_id", "traceparent"]) | texts,
    st.sampled_from(["shadow_mw.exchange.v1", "shadow_mw.counts.v1", "k", "shadow_mw.exchange.v٣"]) | odd,
    max_size=5,
)


class Message:
    """A message of Kafka, as its client gives it."""

    def __init__(self, key: object, value: bytes | None, headers: object) -> None:
        self._parts = key, value, headers

    def key(self) -> object:
        return self._parts[0]

    def value(self) -> bytes | None:
        return self._parts[1]

    def headers(self) -> object:
        return self._parts[2]


def opens_or_refuses(envelope: Envelope) -> None:
    for opener in (Opener(), Opener(KEYS)):
        with contextlib.suppress(EnvelopeError):
            assert isinstance(opener.open(envelope), Exchange | Counts)


@pytest.mark.fault("poison")
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(headers, st.one_of(st.binary(max_size=80), mutated(PLAIN.value), mutated(SEALED.value)), texts)
@example({**SEALED.headers, "ce_id": "\ud800"}, SEALED.value, "")
@example({"ce_type": "shadow_mw.exchange.v1"}, DEEP, "")
def test_any_envelope_is_opened_or_refused(headers: dict[str, str], value: bytes, key: str) -> None:
    base = {"ce_type": "shadow_mw.exchange.v1", "ce_id": SEALED.id}
    opens_or_refuses(Envelope(id="", key=key, headers=headers, value=value))
    opens_or_refuses(Envelope(id="", key=key, headers=base | headers, value=value))


@pytest.mark.fault("poison")
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(texts | st.just("ce_type"), st.none() | st.binary(max_size=20) | texts), max_size=4),
    st.none() | st.binary(max_size=40) | texts,
    st.none() | mutated(PLAIN.value),
)
def test_any_message_of_kafka_is_an_envelope_to_be_opened_or_refused(pairs, key, value) -> None:
    for shape in (pairs, dict(pairs), None):
        opens_or_refuses(envelope_of(Message(key, value, shape)))


PARCEL = sqs_envelope.encode(SEALED).body


@pytest.mark.fault("poison")
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        odd,
        json_values.map(json.dumps),
        mutated(PARCEL.encode()).map(lambda raw: raw.decode("latin-1")),
        st.dictionaries(st.sampled_from(sorted(json.loads(PARCEL))), json_values).map(
            lambda changes: json.dumps(json.loads(PARCEL) | changes)
        ),
        json_values.map(lambda names: json.dumps(json.loads(PARCEL) | {"headernames": json.dumps(names)})),
    )
)
@example("[" * 200_000)
@example(json.dumps({**json.loads(PARCEL), "id": "\ud800", "ce_id": "\ud800"}))
def test_any_message_of_sqs_is_an_envelope_to_be_opened_or_refused(body: str) -> None:
    envelope, claim = sqs_envelope.decode(body)
    assert all(isinstance(part, str) for part in (envelope.id, envelope.key, *envelope.headers.values()))
    assert claim is None or isinstance(claim.ref, str)
    assert isinstance(sqs_envelope.group_of(envelope.key), str)
    opens_or_refuses(envelope)


FRAMES = encode(exchange(), 1) + encode(COUNTS, 2)


@pytest.mark.parametrize(("kind", "sent"), [(ToWorker, FRAMES), (FromModel, encode(Predicted(b"1"), 1))])
def test_any_bytes_on_a_socket_are_frames_or_refused(kind: object, sent: bytes) -> None:
    @settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.binary(max_size=60), mutated(sent)), st.integers(1, 50))
    @example(_HEAD.pack(1, len(DEEP), 0) + DEEP, 1 << 20)
    def run(data: bytes, step: int) -> None:
        reader: FrameReader[msgspec.Struct] = FrameReader(kind, 2**22)
        with contextlib.suppress(FrameError):
            for start in range(0, len(data), step):
                for _number, message in reader.feed(data[start : start + step]):
                    assert isinstance(message, msgspec.Struct)

    run()


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(st.binary(max_size=200), mutated(b"k: " + b"QUFB" * 10 + b"QUE=\n# more\nnew: " + b"QUFB" * 11))
)
def test_any_file_of_keys_is_read_or_refused_with_a_sentence_that_tells_no_key(
    tmp_path_factory, content
) -> None:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    said = "SHADOW_ENCRYPTION_KEYS: "
    try:
        keys = Keyring.from_file(str(path))
        assert keys.decrypt(*keys.encrypt(b"value", associated=b""), associated=b"") == b"value"
    except SettingsError as error:
        said = str(error)
    assert said.startswith("SHADOW_ENCRYPTION_KEYS: ")
    assert "QUFBQUFB" not in said
