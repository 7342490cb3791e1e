"""An envelope as the body of a message: any bytes come back, foreign bodies raise nothing."""

from __future__ import annotations

import base64
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqs_mail import envelope

from shadow_mw.queues.sqs_envelope import Claim, attributes_of, decode, encode, group_of, printable, size_of
from shadow_mw.records import Envelope

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
KNOWN = st.sampled_from(["ce_time", "content-type", "request_id", "traceparent", "tracestate", "key_id"])
NAMES = KNOWN | st.text("abcdefgxyz0159_-.", min_size=1, max_size=30)
TEXTS = st.text(max_size=60)


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    number, key = draw(TEXTS), draw(TEXTS)
    headers = draw(st.dictionaries(NAMES, TEXTS, max_size=8))
    headers |= {name: draw(TEXTS) for name in ("ce_specversion", "ce_source", "ce_type")} | {"ce_id": number}
    return Envelope(id=number, key=key, headers=headers, value=draw(st.binary(max_size=300)))


def is_legal(text: str) -> bool:
    """True when XML, and so SQS, may hold a text."""
    return all(
        character in "\t\n\r" or " " <= character <= "\ud7ff" or "\ue000" <= character <= "\ufffd"
        for character in text
    )


@given(envelopes())
@RELAXED
def test_any_envelope_comes_back(one):
    parcel = encode(one)
    assert decode(parcel.body) == (one, None)
    assert is_legal(parcel.body)
    assert all(text and is_legal(text) for text in parcel.attributes.values())
    assert parcel.size_bytes == size_of(parcel.body, parcel.attributes)


@given(envelopes(), TEXTS, TEXTS)
@RELAXED
def test_a_claim_comes_back_without_the_value(one, ref, sha256):
    opened, claim = decode(encode(one, Claim(ref, sha256)).body)
    assert claim == Claim(ref, sha256)
    assert (opened.id, opened.key, opened.headers, opened.value) == (one.id, one.key, one.headers, b"")


@given(envelopes())
@RELAXED
def test_attributes_have_the_names_that_cloudevents_allows(one):
    for name in json.loads(encode(one).body):
        assert name == "data_base64" or (name.isascii() and name.isalnum() and name == name.lower())


def test_the_body_is_a_cloudevent_that_others_can_read():
    parcel = encode(envelope(value=b"\x00value"))
    event = json.loads(parcel.body)
    assert event["specversion"] == "1.0"
    assert event["id"] == "id-1"
    assert event["type"] == "shadow_mw.exchange.v1"
    assert event["source"] == "tests"
    assert event["datacontenttype"] == "application/vnd.shadow-mw+msgpack"
    assert (event["requestid"], event["keyid"]) == ("request-1", "k1")
    assert base64.b64decode(event["data_base64"]) == b"\x00value"
    assert set(parcel.attributes) == {"request_id", "traceparent", "ce_type"}
    assert attributes_of({"a": "b"}) == {"a": {"DataType": "String", "StringValue": "b"}}


def test_headers_that_would_have_one_name_keep_their_own():
    headers = envelope().headers | {
        "a_b": "1",
        "ab": "2",
        "a-b": "3",
        "subject": "4",
        "data": "5",
        "___": "6",
        "id": "7",
    }
    one = Envelope(id="id-1", key="request-1", headers=headers, value=b"")
    assert decode(encode(one).body)[0] == one


FOREIGN = [
    "",
    "not JSON",
    "[]",
    "null",
    "7",
    "{}",
    '{"id": "1"}',
    '{"id": 1, "data_base64": ""}',
    '{"id": "1", "data_base64": "%%%"}',
    '{"id": "1", "data_base64": "AAA"}',
    '{"id": "1", "data_base64": "é"}',
    '{"id": "1", "data_base64": "", "headernames": "no"}',
    '{"id": "1", "data_base64": "", "headernames": "[1]"}',
    '{"id": "1", "data": {"a": 1}}',
    "[" * 100_000,
    "\ud800",
]


def test_what_is_not_ours_has_no_headers_and_its_own_text():
    for body in FOREIGN:
        opened, claim = decode(body)
        assert claim is None
        assert opened == Envelope(id="", key="", headers={}, value=body.encode("utf-8", "surrogatepass")), (
            body
        )


@given(
    st.text(max_size=200)
    | st.recursive(TEXTS | st.integers() | st.none(), lambda deeper: st.dictionaries(TEXTS, deeper)).map(
        json.dumps
    )
)
@RELAXED
def test_no_body_raises(body):
    decode(body)


@given(st.text(max_size=300))
@RELAXED
def test_any_key_names_a_group(key):
    group = group_of(key)
    assert 1 <= len(group) <= 128
    assert group.isascii()
    assert group.isprintable()
    assert " " not in group
    assert is_legal(printable(key))
