"""The reader of answers, against h11 and against itself, however the bytes are cut."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.exceptions import ShadowAnswerTooLarge, ShadowError, ShadowProtocolError
from shadow_mw.records import Answer
from shadow_mw.shadows.answer_reader import AnswerReader

MAX_BODY_BYTES = 1000

statuses = st.sampled_from([200, 201, 204, 302, 304, 404, 500, 503])
bodies = st.binary(max_size=300)
fields = st.lists(
    st.tuples(
        st.sampled_from([b"X-A", b"Content-Type", b"content-encoding", b"Server", b"Set-Cookie"]),
        st.binary(max_size=20).map(lambda raw: bytes(33 + byte % 94 for byte in raw)),
    ),
    max_size=6,
)


@st.composite
def answers(draw: Any, framings: tuple[str, ...] = ("length", "chunked")) -> bytes:
    status, body, framing = draw(statuses), draw(bodies), draw(st.sampled_from(framings))
    body = b"" if status in (204, 304) else body
    head = b"HTTP/1.1 %d Whatever\r\n" % status
    if draw(st.booleans()):
        head = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + head
    head += b"".join(b"%b: %b\r\n" % field for field in draw(fields))
    if status in (204, 304):
        return head + b"\r\n"
    if framing == "length":
        return head + b"content-length: %d\r\n\r\n" % len(body) + body
    if framing == "end":
        return head + b"\r\n" + body
    size = draw(st.integers(1, 100))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def by_h11(data: bytes) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    status, headers, body = 0, (), b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            status = event.status_code
            kept = (b"content-type", b"content-encoding")
            headers = tuple((name, value) for name, value in event.headers if name in kept)
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    return Answer(status=status, headers=headers, body=body)


def read(pieces: list[bytes]) -> tuple[Answer, bool]:
    reader = AnswerReader(max_body_bytes=MAX_BODY_BYTES)
    reader.begin(is_head=False)
    for piece in pieces:
        answer = reader.feed(piece)
        if answer is not None:
            return answer, reader.keeps_alive
    return reader.end(), reader.keeps_alive


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % len(data) for place in places} - {0}), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]


@given(answers(("length", "chunked", "end")), st.lists(st.integers(0, 10_000), max_size=10))
def test_it_reads_what_h11_reads_however_the_bytes_are_cut(data, places):
    answer, _ = read(cut(data, places))
    assert answer == by_h11(data)


@given(st.lists(answers(), min_size=2, max_size=4), st.lists(st.integers(0, 10_000), max_size=6))
def test_answers_on_one_connection_do_not_mix(several, places):
    reader = AnswerReader(max_body_bytes=MAX_BODY_BYTES)
    for data in several:
        reader.begin(is_head=False)
        answer = None
        for piece in cut(data, places):
            answer = reader.feed(piece)
        assert answer == by_h11(data)
        assert reader.keeps_alive


@given(answers(), st.binary(min_size=1, max_size=300))
def test_bytes_behind_an_answer_end_the_connection(data, surplus):
    answer, keeps_alive = read([data + surplus])
    assert answer == by_h11(data)
    # A line break before the next answer is read over, as RFC 9112 2.2 has it.
    assert not keeps_alive or not surplus.strip(b"\r\n")


@given(st.lists(st.binary(min_size=1, max_size=3000), max_size=10))
def test_any_bytes_are_an_answer_or_an_error_of_ours(pieces):
    with contextlib.suppress(ShadowError):
        read(pieces)


@given(answers(), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_broken_answer_is_an_answer_or_an_error_of_ours(data, changes):
    broken = bytearray(data)
    for place, byte in changes:
        broken[place % len(broken)] = byte
    with contextlib.suppress(ShadowError):
        read([bytes(broken)])


@pytest.mark.parametrize(
    ("head", "piece", "error"),
    [
        (b"", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000, ShadowProtocolError),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000, ShadowProtocolError),
        (b"HTTP/1.1 200 OK\r\nx: ", b"y" * 5000, ShadowProtocolError),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 100, ShadowAnswerTooLarge),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\ny\r\n", ShadowAnswerTooLarge),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"y" * 5000, ShadowProtocolError),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            b"x: y\r\n" * 1000,
            ShadowProtocolError,
        ),
        (b"", b"HTTP/1.1 103 Hints\r\nx: y\r\n\r\n", ShadowProtocolError),
    ],
)
def test_nothing_without_end_is_read_without_end(head, piece, error):
    reader = AnswerReader(max_body_bytes=MAX_BODY_BYTES)
    reader.begin(is_head=False)
    if head:
        reader.feed(head)
    with pytest.raises(error):
        feed_for_long(reader, piece)


def feed_for_long(reader: AnswerReader, piece: bytes) -> None:
    for _ in range(100_000 // len(piece) + 2):
        reader.feed(piece)


@pytest.mark.parametrize("framing", [b"content-length: 1001\r\n\r\n", b"\r\n"])
def test_a_body_over_the_cap_is_refused_also_where_it_comes_at_once(framing):
    with pytest.raises(ShadowAnswerTooLarge):
        read([b"HTTP/1.1 200 OK\r\n" + framing + b"x" * 1001])
