"""Streamed answers are compared whole, whatever their chunks; the caller gets the bytes of the app."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from app_bare import read, stream
from asgi_caller import Call, call_on
from litestar import Litestar, Request, post
from litestar.middleware import DefineMiddleware
from stub_shadow import Asked, Reply, StubShadow

from shadow_mw import ShadowMiddleware, statistics
from shadow_mw.concealment import Concealer
from shadow_mw.exceptions import PayloadError
from shadow_mw.payload import decode_payload
from shadow_mw.records import CapturedResponse
from shadow_mw.testing import drain

STREAM = "text/event-stream"
END = b"data: [DONE]\n\n"
_numbers = itertools.count()


def said(*pieces: str, finish: str | None = "stop", role: str = "assistant") -> list[bytes]:
    deltas: list[dict[str, str]] = [{"role": role}, *({"content": piece} for piece in pieces), {}]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices[-1]["finish_reason"] = finish
    return [b"data: %s\n\n" % json.dumps({"choices": [choice]}).encode() for choice in choices]


def judged(production: Iterable[bytes], shadow: bytes, **settings: Any) -> tuple[bytes, dict[str, Any]]:
    """What the caller got, and the books of one exchange."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read(receive)
        await stream(send, STREAM.encode(), *production)

    def answer(asked: Asked) -> Reply:
        return Reply(headers={"content-type": STREAM}, body=shadow)

    with StubShadow(answer) as stub:
        name = f"streamed-{next(_numbers)}"
        where = {
            "targets": f"{name}={stub.url}",
            "routes": "POST /predict",
            "queue": "inline:",
            "store": "none",
        }
        mirrored = ShadowMiddleware(app, **where, compare="exact", **settings)
        got = call_on("asyncio", mirrored, Call())
        assert drain()
        (counts,) = [one for mirror in statistics() for one in mirror.shadows if one.shadow == name]
        words = ("agree", "disagree", "incomparable")
        return got.body, {word: counts.count(word) for word in words if counts.count(word)}


def test_other_chunks_with_the_same_text_agree() -> None:
    production = [*said("Hel", "lo ", "world"), END]
    body, books = judged(production, b": ping\r\n\r\n" + b"".join([*said("Hello", " world"), END]))
    assert body == b"".join(production)
    assert books == {"agree": 1}


def test_another_text_disagrees() -> None:
    assert judged([*said("yes"), END], b"".join([*said("no"), END]))[1] == {"disagree": 1}


@pytest.mark.fault("stream-cut")
@pytest.mark.parametrize(
    "shadow",
    [
        b"".join(said("yes", finish=None)),
        b"".join(said("yes"))[:-1],
        b"".join(said("y"))[:70],
        b"".join([*said("yes", finish=None), b'data: {"error": {"message": "overloaded"}}\n\n', END]),
    ],
    ids=["no end", "no blank line", "cut", "error"],
)
def test_half_a_stream_is_never_compared(shadow: bytes) -> None:
    production = [*said("yes"), END]
    body, books = judged(production, shadow)
    assert body == b"".join(production)
    assert books == {"incomparable": 1}


def test_a_path_finds_the_text_of_a_streamed_answer() -> None:
    path = "choices[0].message.content"
    shadow = b"".join([*said("y", "es", role="bot"), END])
    assert judged([*said("yes"), END], shadow, prediction=path)[1] == {"agree": 1}


TOKENS = [[{"token": "a"}, {"token": "bc"}], [{"token": "ab"}, {"token": "c"}]]
ANTHROPIC = [
    [
        {"type": "message_start", "message": {}},
        *({"type": "content_block_delta", "delta": {"text": t}} for t in text),
    ]
    for text in (["a", "bc"], ["ab", "c"])
]
RESPONSES = [
    [*({"delta": t} for t in text), {"response": {"output": [{"content": [{"text": "abc"}]}]}}]
    for text in (["a", "bc"], ["ab", "c"])
]


@pytest.mark.parametrize(
    ("events", "name", "path"),
    [
        (TOKENS, lambda data: "", "join('', [].token)"),
        (ANTHROPIC, lambda data: data["type"], "join('', [].data.delta.text)"),
        (
            RESPONSES,
            lambda data: "response.completed" if "response" in data else "response.output_text.delta",
            "[?event=='response.completed'].data.response.output[].content[].text | [0]",
        ),
    ],
    ids=["tokens", "anthropic", "responses"],
)
def test_the_paths_of_the_page_put_other_streams_together(
    events: list[list[dict[str, Any]]], name: Callable[[dict[str, Any]], str], path: str
) -> None:
    streams = [
        "".join(
            f"event: {name(data)}\ndata: {json.dumps(data)}\n\n".removeprefix("event: \n") for data in one
        )
        for one in events
    ]
    assert judged([streams[0].encode()], streams[1].encode(), prediction=path)[1] == {"agree": 1}


def test_what_may_not_leave_the_host_is_taken_out_of_events_too() -> None:
    chunks = [
        *said("a", "b"),
        b'data: {"choices": [], "usage": {"total_tokens": 2, "card": "4111"}}\n\n',
        END,
    ]
    sent = CapturedResponse(
        exchange_id="1",
        seconds=0.1,
        status=200,
        headers=((b"content-encoding", b""), (b"content-type", STREAM.encode())),
        body=b"".join(chunks),
    )
    left = Concealer(["card"], max_body_bytes=2**20).message(sent)
    assert isinstance(left, CapturedResponse)
    assert b"4111" not in left.body
    assert left.headers == ((b"content-type", b"application/json"),)
    value = decode_payload(left.body, left.headers, max_bytes=2**20)
    assert value["usage"] == {"total_tokens": 2, "card": "[redacted]"}
    assert value["choices"][0]["message"]["content"] == "ab"
    assert Concealer(["other"], max_body_bytes=2**20).message(sent) is sent
    broken = Concealer(["card"], max_body_bytes=2**20).message(msgspec.structs.replace(sent, body=b"data: x"))
    assert isinstance(broken, CapturedResponse)
    assert broken.body == b'"[redacted]"'
    with pytest.raises(PayloadError):  # so it is incomparable, and no answer of its own
        decode_payload(broken.body, broken.headers, max_bytes=2**20)


def test_litestar_takes_the_line_inside_too(watch: Any) -> None:
    @post("/predict", status_code=200)
    async def predict(request: Request[Any, Any, Any]) -> dict[str, int]:
        await request.body()
        return {"y": 6}

    inside = DefineMiddleware(ShadowMiddleware, **watch.settings())
    app = Litestar([predict], middleware=[inside], openapi_config=None, logging_config=None)
    got, asked, books = watch.after(lambda: call_on("asyncio", app, Call()))
    assert (got.body, len(asked), books) == (b'{"y":6}', 1, {"eligible": 1, "compared": 1})
