"""What may not leave the host is in nothing that leaves it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest
from asgi_driver import chunked, http_scope, run
from memory_broker import exchange
from stub_shadow import Reply, StubShadow

from shadow_mw import ShadowMiddleware
from shadow_mw.concealment import Concealer
from shadow_mw.records import Exchange
from shadow_mw.testing import drain

CONCEALER = Concealer(["card", "SSN"], max_body_bytes=2**20)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = (await receive())["body"]
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def with_headers(sent: Exchange, *headers: tuple[bytes, bytes]) -> Exchange:
    return msgspec.structs.replace(sent, request=msgspec.structs.replace(sent.request, headers=headers))


def test_values_of_listed_keys_are_taken_out_of_both_bodies_at_any_depth():
    sent = exchange(body=b'{"a":[{"Card":"4111"}],"x":1}', answer=b'{"ssn":{"n":5},"y":2}')
    concealed = CONCEALER.exchange(sent)
    assert json.loads(concealed.request.body) == {"a": [{"Card": "[redacted]"}], "x": 1}
    assert json.loads(concealed.response.body) == {"ssn": "[redacted]", "y": 2}
    assert CONCEALER.message(sent.request).body == concealed.request.body
    assert CONCEALER.message(sent.response).body == concealed.response.body


def test_what_holds_nothing_to_conceal_leaves_byte_for_byte():
    sent = exchange(body=b'{ "x" : 1.50 }')
    assert CONCEALER.exchange(sent) is sent
    broken = exchange(body=b'{"card": 4')
    assert Concealer([], max_body_bytes=10).exchange(broken) is broken


def test_a_compressed_body_is_looked_into_and_sent_plain():
    sent = with_headers(
        exchange(body=gzip.compress(b'{"card":"4111"}')),
        (b"content-type", b"application/json"),
        (b"Content-Encoding", b"gzip"),
    )
    concealed = CONCEALER.exchange(sent)
    assert concealed.request.body == b'{"card":"[redacted]"}'
    assert concealed.request.headers == ((b"content-type", b"application/json"),)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"card":"4111"', [(b"content-type", b"application/json")]),
        (b"\x1f\x8b4111", [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]),
        (b'{"card":"4111"}', [(b"content-type", b"application/json"), (b"content-encoding", b"br")]),
    ],
)
def test_json_that_cannot_be_read_does_not_leave(body: bytes, headers: Any):
    concealed = CONCEALER.exchange(with_headers(exchange(body=body), *headers))
    assert concealed.request.body == b'"[redacted]"'


def test_a_shadow_never_sees_it_and_is_compared_as_if_nobody_had(tmp_path):
    """Both sides answer with what they were asked, which differs only by what is concealed."""
    with StubShadow(lambda asked: Reply(body=b'{"card":"9999","x":1}')) as shadow:
        app = ShadowMiddleware(
            echo, targets=shadow.url, routes="POST /predict", redact_request="card", compare="exact"
        )
        seen = run(
            app,
            http_scope(headers=[(b"content-type", b"application/json")]),
            chunked(b'{"card":"4111","x":1}'),
        )
        assert drain(20)
    assert seen.sent[1]["body"] == b'{"card":"4111","x":1}'
    assert [json.loads(asked.body) for asked in shadow.asked] == [{"card": "[redacted]", "x": 1}]
    [line] = [
        line
        for file in (tmp_path / "store" / "hot").glob("*.jsonl")
        for line in file.read_text().splitlines()
        if '"comparison"' in line
    ]
    record = json.loads(line)
    assert record["verdict"] == "agree"
    assert "4111" not in line
    assert "9999" not in line
