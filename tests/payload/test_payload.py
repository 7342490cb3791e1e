from __future__ import annotations

import gzip
import json
import math
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow_mw.exceptions import PayloadError
from shadow_mw.payload import decode_payload, encode_text, extract
from shadow_mw.records import Headers

CAP = 10_000
JSON = (b"content-type", b"application/json")


def decode(body: bytes, *headers: tuple[bytes, bytes], max_bytes: int = CAP) -> Any:
    return decode_payload(body, headers, max_bytes=max_bytes)


def raw_deflate(body: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(body) + deflater.flush()


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"Application/JSON; charset=utf-8",
        b"text/json",
        b"application/vnd.model.v1+json",
        b"application/problem+json ; charset=utf-8",
    ],
)
def test_json_types(content_type: bytes) -> None:
    assert decode(b'{"a": [1, 2.5]}', (b"Content-Type", content_type)) == {"a": [1, 2.5]}


def test_other_types() -> None:
    assert decode(b"[1]") == [1]
    assert decode(b"\x89PNG") == b"\x89PNG"
    assert decode(b"[1]", (b"content-type", b"application/octet-stream")) == b"[1]"
    assert decode("größer".encode(), (b"content-type", b"text/plain")) == "größer"
    assert decode(b"gr\xf6\xdfer", (b"content-type", b"text/plain; charset=ISO-8859-1")) == "größer"
    assert decode(b"", JSON) is None


def test_json_as_python_writes_it() -> None:
    nan, infinity = decode(json.dumps([math.nan, -math.inf]).encode(), JSON)
    assert math.isnan(nan)
    assert infinity == -math.inf
    assert decode(b"[1e400, 123456789012345678901234567890]", JSON) == [
        math.inf,
        123456789012345678901234567890,
    ]
    assert decode(b'\xef\xbb\xbf{"a": "\\ud800"}', JSON) == {"a": "\ud800"}


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        (b"gzip", gzip.compress),
        (b"GZIP", gzip.compress),
        (b"x-gzip", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", raw_deflate),
        (b"identity", bytes),
        (b"gzip", lambda body: gzip.compress(body[:3]) + gzip.compress(b"") + gzip.compress(body[3:])),
        (b"gzip", lambda body: gzip.compress(body) + bytes(512)),
    ],
)
def test_content_encodings(encoding: bytes, compress: Any) -> None:
    body = compress(b'{"a": 1}')
    assert decode(body, JSON, (b"content-encoding", encoding)) == {"a": 1}
    assert decode(b"", JSON, (b"content-encoding", encoding)) is None


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b"x", [(b"content-encoding", b"br")], "'br'"),
        (gzip.compress(b"x"), [(b"content-encoding", b"gzip"), (b"content-encoding", b"gzip")], "gzip,gzip"),
        (b"[1]", [(b"content-encoding", b"gzip")], "not gzip"),
        (gzip.compress(b"x" * 99)[:-4], [(b"content-encoding", b"gzip")], "truncated"),
        (gzip.compress(b"[1]") + b"trailer", [(b"content-encoding", b"gzip")], "not gzip"),
        (zlib.compress(b"x" * 99)[:-4], [(b"content-encoding", b"deflate")], "truncated"),
        (b"{", [JSON], "not JSON"),
        (b'"\xff"', [JSON], "not JSON"),
        (b"9" * 5000, [JSON], "not JSON"),
        (b"[" * 9_999, [JSON], "too deep"),
        (b"\xff", [(b"content-type", b"text/plain")], "not utf-8"),
        (b"xn--", [(b"content-type", b"text/plain; charset=punycode")], "'punycode'"),
        (b"x" * (CAP + 1), [], "larger than 10000 bytes"),
        (gzip.compress(bytes(CAP + 1)), [(b"content-encoding", b"gzip")], "larger"),
        (gzip.compress(bytes(CAP)) + gzip.compress(b"x"), [(b"content-encoding", b"gzip")], "larger"),
    ],
)
def test_what_cannot_be_decoded_says_why(body: bytes, headers: Any, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        decode(body, *headers)


@pytest.mark.fault("bomb")
@pytest.mark.parametrize(("encoding", "wbits"), [(b"gzip", 31), (b"deflate", 15), (b"deflate", -15)])
def test_a_decompression_bomb_takes_no_memory(encoding: bytes, wbits: int) -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, wbits)
    bomb = deflater.compress(bytes(30_000_000)) + deflater.flush()
    tracemalloc.start()
    try:
        with pytest.raises(PayloadError, match="larger"):
            decode(bomb, (b"content-encoding", encoding), max_bytes=64 * 1024)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 500_000


@given(content=st.binary(max_size=300), size=st.integers(0, 300))
@settings(deadline=None)
def test_the_cap_is_on_the_decoded_size(content: bytes, size: int) -> None:
    headers = ((b"content-encoding", b"gzip"), (b"content-type", b"application/octet-stream"))
    body = gzip.compress(content)
    if len(content) <= size:
        assert decode(body, *headers, max_bytes=size) == (content or None)
    else:
        with pytest.raises(PayloadError):
            decode(body, *headers, max_bytes=size)


names = st.sampled_from([b"content-type", b"content-encoding", b"Content-Encoding", b"x"]) | st.binary(
    max_size=9
)
values = st.binary(max_size=20) | st.sampled_from(
    [b"gzip", b"deflate", b"br", b"application/json", b"text/plain; charset=hex", b"text/html;charset=\x00"]
)
bodies = st.binary(max_size=200) | st.binary(max_size=200).map(gzip.compress) | st.text().map(str.encode)


@given(body=bodies, headers=st.lists(st.tuples(names, values), max_size=3).map(tuple))
@settings(deadline=None, max_examples=300)
def test_nothing_but_a_payload_error_comes_out(body: bytes, headers: Headers) -> None:
    try:
        value = decode_payload(body, headers, max_bytes=150)
    except PayloadError:
        return
    text, _ = encode_text(value, 100)
    assert len(text.encode()) <= 400


def test_extract() -> None:
    value = {"data": [{"y": 0}, {"y": False}], "nothing": None}
    assert extract(value, "") is value
    assert extract(value, "data[*].y") == [0, False]
    assert extract(value, "data[1].y") is False
    assert extract(None, "") is None


@pytest.mark.parametrize(
    "expression", ["missing", "nothing", "data.y", "data[", "abs(data)", "abs(secret)", "[::0]"]
)
def test_extract_names_the_path_and_no_value(expression: str) -> None:
    for value in ({"data": [1], "nothing": None, "secret": "hunter2"}, b"bytes", [1]):
        with pytest.raises(PayloadError) as caught:
            extract(value, expression)
        assert repr(expression) in str(caught.value)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None, True]}, '{"a":[1,2.5,null,true]}'),
        ("größe", '"größe"'),
        ("\ud800", '"\\ud800"'),
        ([math.nan, math.inf], "[NaN,Infinity]"),
        (b"\x00\x01", "<2 bytes>"),
        (None, "null"),
    ],
)
def test_text_for_records(value: Any, text: str) -> None:
    assert encode_text(value, 100) == (text, False)
    assert encode_text(value, 3) == (text[:3], True)
    assert encode_text(value, len(text)) == (text, False)


def test_deep_nesting_has_a_text() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    assert encode_text(value, 100) == ("<list nested too deep>", False)
