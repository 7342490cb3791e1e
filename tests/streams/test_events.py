"""The rules of the WHATWG standard for event streams, and what is left of a damaged one."""

from __future__ import annotations

from typing import Any

import pytest

from shadow_mw.exceptions import PayloadError
from shadow_mw.payload import decode_payload

TYPE = ((b"content-type", b"text/event-stream; charset=utf-8"),)


def read(stream: bytes) -> Any:
    return decode_payload(stream, TYPE, max_bytes=100_000)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_each_end_of_a_line_is_one(end: bytes) -> None:
    lines = [b': a comment, and data: none of it", "data: 1', b"data: 1", b"", b"data:2", b"", b""]
    assert read(end.join(lines)) == [1, 2]


def test_ends_of_lines_may_be_mixed() -> None:
    assert read(b"data: 1\r\n\ndata: 2\r\rdata: 3\n\r\n") == [1, 2, 3]


def test_a_byte_order_mark_is_none_of_it() -> None:
    assert read(b"\xef\xbb\xbfdata: 1\n\n") == [1]


def test_data_of_several_lines_is_joined() -> None:
    assert read(b'data: {"a":\ndata: 1}\n\n') == [{"a": 1}]
    assert read(b"data: YHOO\ndata: +2\ndata: 10\n\n") == ["YHOO\n+2\n10"]


def test_one_space_after_the_colon_is_none_of_the_data() -> None:
    assert read(b"data:  text\n\ndata:text\n\n") == [" text", "text"]


def test_other_fields_are_left_out_and_data_without_a_colon_is_empty() -> None:
    assert read(b"id: 7\nretry: 10\nodd: x\ndata\n\ndata\ndata\n\nevent: nothing\n\n") == ["", "\n"]


def test_lines_end_where_the_standard_says_so_and_nowhere_else() -> None:
    text = "one\u2028two\u0085three\x0bfour"
    assert read(f"data: {text}\n\n".encode()) == [text]


def test_named_events_keep_their_names() -> None:
    stream = b'event: start\ndata: {"id": 1}\n\ndata: {"token": "a"}\n\nevent: stop\ndata: {}\n\n'
    assert read(stream) == [
        {"event": "start", "data": {"id": 1}},
        {"event": "message", "data": {"token": "a"}},
        {"event": "stop", "data": {}},
    ]


def test_the_sign_of_the_end_is_no_event() -> None:
    for end in (b"data: [DONE]\n\n", b"data:[DONE]\n", b"data: [DONE]"):
        assert read(b'data: {"token": "a"}\n\n' + end) == [{"token": "a"}]


def test_nothing_is_nothing() -> None:
    assert read(b"") is None
    for stream in (b": only a comment\n\n", b"\n\n\n", b"data: [DONE]\n\n"):
        with pytest.raises(PayloadError, match="has no event with data"):
            read(stream)


@pytest.mark.fault("stream-cut")
@pytest.mark.parametrize(
    "stream",
    [b"data: 1", b"data: 1\n", b"data: 1\n\ndata: 2\n", b"data: 1\n\ndat", b"data: 1\n\ndata: [DO", b"x"],
)
def test_a_stream_that_ends_in_an_event_is_no_prediction(stream: bytes) -> None:
    with pytest.raises(PayloadError, match="ends in the middle of an event"):
        read(stream)


def test_a_comment_that_is_cut_takes_nothing_away() -> None:
    assert read(b"data: 1\n\n: still he") == [1]


def test_broken_bytes_are_no_text() -> None:
    with pytest.raises(PayloadError, match="not UTF-8"):
        read(b"data: gr\xf6\xdfer\n\n")


def test_depth_without_end_is_no_prediction() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    with pytest.raises(PayloadError, match="nested too deep"):
        decode_payload(b"data: " + deep + b"\n\n", TYPE, max_bytes=2**20)


def test_only_event_streams_are_read_so() -> None:
    stream = b"data: 1\n\n"
    assert decode_payload(stream, ((b"content-type", b"text/plain"),), max_bytes=100) == "data: 1\n\n"
    assert decode_payload(stream, ((b"Content-Type", b"Text/Event-Stream"),), max_bytes=100) == [1]
