"""Bodies, JMESPaths and a shadow's answers: a value, or the reason why there is none."""

from __future__ import annotations

import contextlib
import json

import pytest
from fuzz_material import json_values, mutated, odd
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shadow_mw.exceptions import PayloadError, ShadowAnswerTooLarge, ShadowProtocolError
from shadow_mw.payload import decode_payload, encode_text, extract
from shadow_mw.records import Answer
from shadow_mw.segments import segments_of
from shadow_mw.values import parse_segments, valid_path

#: JMESPath says so of literals without quotation marks, which it takes all the same.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated string literal:PendingDeprecationWarning")

PATHS = (
    "a.b[0].c",
    "a[?b > `1`] | [0]",
    "join(',', a)",
    "max_by(@, &b)",
    "sort_by(@, &a)[*].b",
    "sum(@)",
    "to_number(a)",
    "merge(@, a)",
    "keys(@)[0]",
    "map(&length(@), @)",
    "avg([a, b])",
    "reverse(@)",
    "{x: a, y: b[]}",
    "a && b || !c",
    "@.*.a[::2]",
    "a[::-1]",
    "abs(a)",
    "floor(@)",
    "contains(@, a)",
    "starts_with(a, b)",
    "not_null(a, b, `1`)",
    "group_by(@, &a)",
)
grammar = st.lists(
    st.sampled_from([*list("abc.[]()*@&|!?:,`'\"{}<>=-0129 "), "sort_by", "length", "&a", "[?", "`1`", "||"]),
    max_size=25,
).map("".join)


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.one_of(grammar, odd))
@example("(" * 5000)
@example("`" + "[" * 100_000 + "`")
@example("!" * 5000 + "a")
def test_any_text_is_a_path_or_refused_with_a_sentence(text: str) -> None:
    with contextlib.suppress(ValueError):
        valid_path(text)
    with contextlib.suppress(ValueError):
        parse_segments(text[:300])


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.sampled_from(PATHS), grammar), json_values)
def test_any_path_in_any_value_finds_something_or_tells_why_not(path: str, value: object) -> None:
    try:
        valid_path(path)
    except ValueError:
        return
    with contextlib.suppress(PayloadError):
        found = extract(value, path)
        assert isinstance(encode_text(found, 100)[0], str)
    for paths in (None, {"name": path}):
        for name, text in segments_of(value, paths).items():
            (name + text).encode()


_types = st.sampled_from(
    [b"", b"application/json", b"text/plain; charset=utf-16", b"text/plain", b"a/b+json", b"x"]
)
_encodings = st.sampled_from([b"", b"gzip", b"deflate", b"br", b"\xff", b"gzip, gzip"])


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.binary(max_size=60),
        json_values.map(lambda value: json.dumps(value).encode()),
        mutated(b'{"a":[1,2]}'),
    ),
    _types,
    _encodings,
)
@example(b"[" * 200_000, b"application/json", b"")
@example(b'{"a":' * 200_000, b"", b"")
@example(b"9" * 10_000, b"application/json", b"")
def test_any_body_is_a_value_or_tells_why_not(body: bytes, kind: bytes, encoding: bytes) -> None:
    fields = ((b"content-type", kind), (b"content-encoding", encoding))
    with contextlib.suppress(PayloadError):
        text, _ = encode_text(decode_payload(body, fields, max_bytes=2**20), 1000)
        text.encode()


ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}'
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(mutated(ANSWER), mutated(CHUNKED), st.binary(max_size=60)), st.integers(1, 40), st.booleans()
)
@example(b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n", 10_000, False)
@example(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", 10_000, False)
@example(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nx", 10_000, True)
def test_any_bytes_of_a_shadow_are_an_answer_or_a_failure(data: bytes, step: int, is_head: bool) -> None:
    pytest.importorskip("httptools", reason="enable with: pip install 'shadow-mw[fast]'")
    from shadow_mw.shadows.answer_reader import AnswerReader

    reader = AnswerReader(max_body_bytes=1000)
    reader.begin(is_head=is_head)
    with contextlib.suppress(ShadowProtocolError, ShadowAnswerTooLarge):
        for start in range(0, len(data), step):
            answer = reader.feed(data[start : start + step])
            assert answer is None or isinstance(answer, Answer)
            if answer is not None:
                return
        assert isinstance(reader.end(), Answer)
