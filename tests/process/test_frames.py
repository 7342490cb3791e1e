"""Frames: whatever is encoded comes out again, however it is split; what is no frame is refused."""

from __future__ import annotations

import itertools
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.exceptions import FrameError
from shadow_mw.frames import (
    VERSION,
    Counts,
    Done,
    Flush,
    FrameReader,
    Logged,
    Snapshot,
    ToApp,
    ToWorker,
    encode,
)
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange
from shadow_mw.snapshots import Statistics

LIMIT_BYTES = 2**20
HEAD = struct.Struct(">BII")

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_headers = st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=3).map(tuple)
_requests = st.builds(
    CapturedRequest,
    exchange_id=_text,
    request_id=_text,
    ts_us=st.integers(0, 2**62),
    method=_text,
    route=_text,
    path=_text,
    query=_text,
    headers=_headers,
    body=st.binary(max_size=500),
    traceparent=_text,
    sample_rate=st.floats(0, 1),
    mode=st.sampled_from(["async", "sync"]),
)
_responses = st.builds(
    CapturedResponse,
    exchange_id=_text,
    seconds=st.floats(0, 1e6),
    status=st.integers(0, 999),
    headers=_headers,
    body=st.binary(max_size=500),
    failure=_text,
    dropped=st.sampled_from([None, "queue_full", "too_large"]),
)
_counts = st.dictionaries(_text, st.integers(0, 2**40), max_size=4)
_to_worker = st.one_of(
    st.builds(Exchange, request=_requests, response=_responses),
    _requests,
    _responses,
    st.builds(Counts, added=st.lists(st.tuples(_text, _text, _counts), max_size=3).map(tuple)),
    st.builds(Flush, token=st.integers(0, 2**40)),
)
_to_app = st.one_of(
    st.builds(Done, numbers=st.lists(st.integers(0, 2**32 - 1), max_size=20)),
    st.builds(Logged, level=st.integers(0, 50), text=_text),
    st.builds(
        Snapshot,
        statistics=st.just(Statistics(mode="async", queue="process:", shadows=())),
        token=st.integers(0, 9),
    ),
)


def read(data: bytes, cuts: list[int], kind: object = ToWorker) -> list[tuple[int, object]]:
    reader: FrameReader[object] = FrameReader(kind, LIMIT_BYTES)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [frame for begin, end in itertools.pairwise(edges) for frame in reader.feed(data[begin:end])]


@given(
    st.lists(st.tuples(_to_worker, st.integers(0, 2**40)), max_size=6),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_frames_come_out_whole_and_in_order_however_they_are_split(messages, cuts):
    data = b"".join(encode(message, number) for message, number in messages)
    assert read(data, cuts) == [(number & 0xFFFFFFFF, message) for message, number in messages]


@given(st.lists(_to_app, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_so_do_those_for_the_app(messages, cuts):
    assert read(b"".join(map(encode, messages)), cuts, ToApp) == [(0, message) for message in messages]


def test_byte_by_byte():
    data = encode(Flush(3), 7) * 3
    assert read(data, list(range(len(data)))) == [(7, Flush(3))] * 3


@given(st.binary(min_size=9, max_size=200))
def test_garbage_gives_no_frame(data):
    """It is refused at once, or the reader waits for the rest of what the garbage announces."""
    if data[0] == VERSION:
        data = bytes([VERSION + 1]) + data[1:]
    with pytest.raises(FrameError, match="version"):
        read(data, [])


@given(st.binary(max_size=200))
def test_garbage_in_a_frame_is_refused(payload):
    try:
        msgspec.msgpack.decode(payload, type=ToWorker)
    except msgspec.MsgspecError:
        with pytest.raises(FrameError, match="could not be decoded"):
            read(HEAD.pack(VERSION, len(payload), 1) + payload, [])


@pytest.mark.fault("model-frames")
@pytest.mark.parametrize("length", [LIMIT_BYTES + 1, 2**31, 2**32 - 1])
def test_a_huge_length_is_refused_before_its_bytes_come(length):
    with pytest.raises(FrameError, match="larger than"):
        read(HEAD.pack(VERSION, length, 1), [])


def test_a_truncated_frame_waits_and_gives_nothing():
    assert read(encode(Flush(3), 7)[:-1], []) == []


def test_what_stands_before_a_broken_frame_is_not_lost():
    reader: FrameReader[object] = FrameReader(ToWorker, LIMIT_BYTES)
    found = []
    with pytest.raises(FrameError):
        found.extend(reader.feed(encode(Flush(1), 1) + b"\xff" * 20))
    assert found == [(1, Flush(1))]


def framed(fields: dict[str, object]) -> bytes:
    payload = msgspec.msgpack.encode(fields)
    return HEAD.pack(VERSION, len(payload), 5) + payload


def test_fields_of_a_later_version_are_ignored_and_missing_ones_take_their_defaults():
    data = framed({"type": "response", "exchange_id": "a", "seconds": 0.5, "colour": "blue", "more": [1, {}]})
    assert read(data, []) == [(5, CapturedResponse(exchange_id="a", seconds=0.5))]


def test_a_message_of_a_later_version_is_refused_with_its_name():
    with pytest.raises(FrameError, match="telepathy"):
        read(framed({"type": "telepathy"}), [])


#: Frames of version 1 as they were written when there was no other.
GOLDEN = {
    "exchange": (
        (
            "01000001ad0000000783a474797065a865786368616e6765a7726571756573748ea474797065a77265717565"
            "7374ab65786368616e67655f6964a430313930aa726571756573745f6964a56162632d31a574735f7573cf00"
            "060a24181e4000a66d6574686f64a4504f5354a5726f757465ad504f5354202f70726564696374a470617468"
            "a82f70726564696374a57175657279a3613d31a7686561646572739192c40c636f6e74656e742d74797065c4"
            "106170706c69636174696f6e2f6a736f6ea4626f6479c40500ff5b315dab7472616365706172656e74d93730"
            "302d30616637363531393136636434336464383434386562323131633830333139632d623761643662373136"
            "393230333333312d3031aa74726163657374617465a0ab73616d706c655f72617465cb3fe0000000000000a4"
            "6d6f6465a473796e63a8726573706f6e736589a474797065a8726573706f6e7365ab65786368616e67655f69"
            "64a430313930a77365636f6e6473cb3fd0000000000000a6737461747573ccc8a76865616465727390a4626f"
            "6479c4027b7db069735f626f64795f6361707475726564c3a76661696c757265a0a764726f70706564c0"
        ),
        Exchange(
            request=CapturedRequest(
                exchange_id="0190",
                request_id="abc-1",
                ts_us=1_700_000_000_000_000,
                method="POST",
                route="POST /predict",
                path="/predict",
                query="a=1",
                headers=((b"content-type", b"application/json"),),
                body=b"\x00\xff[1]",
                traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                sample_rate=0.5,
                mode="sync",
            ),
            response=CapturedResponse(exchange_id="0190", seconds=0.25, status=200, body=b"{}"),
        ),
    ),
    "counts": (
        (
            "01000000410000000782a474797065a6636f756e7473a561646465649193ad504f5354202f70726564696374"
            "a6736861646f7782a8656c696769626c6502aa71756575655f66756c6c02"
        ),
        Counts((("POST /predict", "shadow", {"eligible": 2, "queue_full": 2}),)),
    ),
    "flush": ("01000000130000000782a474797065a5666c757368a5746f6b656e03", Flush(3)),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_frames_of_version_1_are_read_for_good(name):
    golden, message = GOLDEN[name]
    assert read(bytes.fromhex(golden), []) == [(7, message)]
