"""A fuzzer that follows the branches of the decoders as long as you let it; started by hand, not by pytest.

`pip install atheris`, then `python tests/fuzz/coverage_guided.py envelope -max_total_time=300`. What it takes
are the options of libFuzzer. It ends with a traceback and the input where anything but a refusal is raised.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["shadow_mw", "jmespath"]):
    from shadow_mw.encryption import Keyring
    from shadow_mw.envelope import Opener, Sealer
    from shadow_mw.exceptions import ShadowMWError
    from shadow_mw.frames import Counts, FrameReader, ToWorker, encode
    from shadow_mw.ids import accepted_request_id, trace_id_of
    from shadow_mw.payload import decode_payload, encode_text, extract
    from shadow_mw.queues import sqs_envelope
    from shadow_mw.records import CapturedRequest, CapturedResponse, Envelope, Exchange
    from shadow_mw.routes import parse_route
    from shadow_mw.shadows.answer_reader import AnswerReader
    from shadow_mw.shadows.request_target import request_target
    from shadow_mw.targets import parse_target
    from shadow_mw.telemetry.context import is_marked
    from shadow_mw.values import parse_segments, valid_path

_KEYS = Keyring({"k": b"k" * 32})
_OPENERS = Opener(), Opener(_KEYS)


def envelope(data: bytes) -> None:
    """What a broker brings: headers as lines, an empty line, the value; or a message of SQS."""
    head, _, value = data.partition(b"\n\n")
    lines = (line.partition(b":") for line in head.splitlines())
    headers = {name.decode("latin-1"): text.decode("utf-8", "replace") for name, _, text in lines}
    made, _ = sqs_envelope.decode(data.decode("utf-8", "surrogateescape"))
    coded = {
        "specversion": "1.0",
        "id": "i",
        "type": headers.get("ce_type", ""),
        "keyid": headers.get("key_id", ""),
    }
    coded["data_base64"] = base64.b64encode(value).decode()
    other, _ = sqs_envelope.decode(json.dumps(coded))
    for opener in _OPENERS:
        for one in (Envelope(id="", key="", headers=headers, value=value), made, other):
            with contextlib.suppress(ShadowMWError):
                opener.open(one)


def frame(data: bytes) -> None:
    """What comes through a socket."""
    reader: FrameReader[object] = FrameReader(ToWorker, 2**20)
    with contextlib.suppress(ShadowMWError):
        for start in range(0, len(data), 7):
            list(reader.feed(data[start : start + 7]))


def answer(data: bytes) -> None:
    """What a shadow answers."""
    reader = AnswerReader(max_body_bytes=1000)
    reader.begin(is_head=data[:1] == b"\0")
    with contextlib.suppress(ShadowMWError):
        for start in range(1, len(data), 11):
            if reader.feed(data[start : start + 11]) is not None:
                return
        reader.end()


def head(data: bytes) -> None:
    """What stands in the head of a request."""
    text = data.decode("latin-1")
    for found in (accepted_request_id(text), trace_id_of(text)):
        assert found is None or (found.isascii() and len(found) <= 128)
    is_marked(text)
    request_target(data, text)


def body(data: bytes) -> None:
    """A body, and a path into it."""
    path, _, content = data.partition(b"\n")
    for encoding in (b"", b"gzip", b"deflate"):
        with contextlib.suppress(ShadowMWError):
            value = decode_payload(content, ((b"content-encoding", encoding),), max_bytes=2**16)
            encode_text(extract(value, path.decode("latin-1")), 100)


def setting(data: bytes) -> None:
    """A value of a setting with a grammar of its own."""
    text = data.decode("utf-8", "replace")
    for parse in (parse_route, parse_target, valid_path, parse_segments):
        with contextlib.suppress(ShadowMWError, ValueError):
            parse(text)


_TARGETS = {found.__name__: found for found in (envelope, frame, answer, head, body, setting)}

_TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def seeds() -> dict[str, list[bytes]]:
    """What is right, from which the fuzzer goes on."""
    sent = Exchange(
        request=CapturedRequest(
            exchange_id="e-1", request_id="r", ts_us=1, method="POST", route="POST /p", path="/p", body=b"{}"
        ),
        response=CapturedResponse(exchange_id="e-1", seconds=0.1, status=200, body=b"1"),
    )
    messages = []
    for keys in (None, _KEYS):
        made = Sealer(service="shop", keys=keys).exchange(sent)
        lines = "\n".join(f"{name}:{text}" for name, text in made.headers.items())
        messages += [lines.encode() + b"\n\n" + made.value, sqs_envelope.encode(made).body.encode()]
    head_of_answer = b"\0HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    return {
        "envelope": messages,
        "frame": [encode(sent, 1) + encode(Counts((("POST /p", "s", {"eligible": 1}),)), 2)],
        "answer": [
            head_of_answer + b"content-length: 2\r\n\r\n{}",
            head_of_answer + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: b\r\n\r\n",
        ],
        "head": [_TRACEPARENT, b"a=b;c, shadow_mw.role=%73hadow", b"/predict/%7Ea"],
        "body": [
            b'a[?b > `1`] | [0]\n{"a":[{"b":2}]}',
            b"sort_by(@, &a)[*].b\n[]",
            b"@\n" + gzip.compress(b"{}"),
        ],
        "setting": [b"POST /a/{b}:c", b"name=https://host:1/path", b"a=b[?c==`1`], d", b"python:m:f"],
    }


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in _TARGETS:
        sys.exit(f"usage: coverage_guided.py {{{','.join(_TARGETS)}}} [-max_total_time=300]")
    name = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()[name]):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, corpus], _TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
