"""Chunks in OpenAI's form become the answer that is not streamed."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from chunks import HEAD, TYPE, USAGE, chunk, delta, said, stream, whole
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.exceptions import PayloadError
from shadow_mw.payload import decode_payload


def read(body: bytes) -> Any:
    return decode_payload(body, TYPE, max_bytes=2**24)


def test_the_answer_is_the_one_that_is_not_streamed() -> None:
    usage = chunk(usage=USAGE)
    assert read(stream([*said(["Hel", "lo, ", "wörld"]), usage])) == whole("Hello, wörld", usage=USAGE)


@given(st.text(max_size=60), st.data())
def test_any_cut_into_chunks_gives_the_same_prediction(content: str, data: Any) -> None:
    """However the model's pieces fall, and however a server writes them as lines."""
    places = sorted(data.draw(st.sets(st.integers(0, len(content)))))
    pieces = [content[a:b] for a, b in zip([0, *places], [*places, len(content)], strict=True)]
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines: list[str] = []
    for one in said(pieces):
        text = json.dumps(one, ensure_ascii=data.draw(st.booleans()))
        if not text.isascii() and not text.isprintable():
            text = json.dumps(one)
        lines += [*data.draw(st.sampled_from([[], [": ping", ""], ["id: 1"]])), f"data: {text}", ""]
    body = end.join([*lines, "data: [DONE]", "", ""])
    assert read(body.encode("utf-8")) == whole(content)


def test_tool_calls_are_put_together_by_their_index() -> None:
    parts: list[dict[str, Any]] = [
        {"role": "assistant", "content": None},
        {
            "tool_calls": [
                {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
            ]
        },
        {
            "tool_calls": [
                {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
        {
            "tool_calls": [
                {"index": 1, "function": {"arguments": "}"}},
                {"index": 0, "function": {"arguments": ": 1}"}},
            ]
        },
    ]
    answer = read(stream([*(chunk(delta(part)) for part in parts), chunk(delta({}, finish="tool_calls"))]))
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }


def test_several_choices_stand_in_the_order_of_their_index() -> None:
    pieces = [(1, "b"), (0, "a"), (1, "B"), (0, "A")]
    chunks = [chunk(delta({"role": "assistant", "content": text}, index)) for index, text in pieces]
    answer = read(stream([*chunks, chunk(delta({}, 1, "stop")), chunk(delta({}, 0, "length"))]))
    told = [(one["index"], one["message"]["content"], one["finish_reason"]) for one in answer["choices"]]
    assert told == [(0, "aA", "length"), (1, "bB", "stop")]
    assert {one["message"]["role"] for one in answer["choices"]} == {"assistant"}


def test_legacy_completions() -> None:
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
    logprobs = [{"tokens": ["a"], "token_logprobs": [None]}, {"tokens": ["b"], "token_logprobs": [-0.5]}]
    chunks = [
        {**head, "choices": [{"index": 0, "text": text, "finish_reason": finish, "logprobs": probabilities}]}
        for text, finish, probabilities in [
            ("a", None, logprobs[0]),
            ("b", None, logprobs[1]),
            ("", "stop", None),
        ]
    ]
    joined = {"tokens": ["a", "b"], "token_logprobs": [None, -0.5]}
    choice = {"index": 0, "text": "ab", "finish_reason": "stop", "logprobs": joined}
    assert read(stream(chunks)) == {**head, "choices": [choice]}


def test_probabilities_of_tokens_are_one_list() -> None:
    tokens = [{"token": "a", "logprob": -0.1, "top_logprobs": []}, {"token": "b", "logprob": -0.2}]
    chunks = [chunk(delta({"content": one["token"]}, logprobs={"content": [one]})) for one in tokens]
    answer = read(stream([*chunks, chunk(delta({}, finish="stop"))]))
    assert answer["choices"][0]["logprobs"] == {"content": tokens}


def test_what_servers_add_is_kept() -> None:
    """A first chunk without choices, reasons beside the content, a severity said in each chunk."""
    safe = {"hate": {"filtered": False, "severity": "safe"}}
    chunks = [
        {"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": [1]},
        chunk(delta({"role": "assistant", "reasoning_content": "be"}, content_filter_results=safe)),
        chunk(delta({"role": "assistant", "reasoning_content": "cause"}, content_filter_results=safe)),
        chunk(delta({"content": "yes"}, finish="stop", stop_reason=13), usage=None),
    ]
    answer = read(stream(chunks))
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "reasoning_content": "because", "content": "yes"}
    assert (choice["content_filter_results"], choice["stop_reason"]) == (safe, 13)
    assert (answer["prompt_filter_results"], answer["model"], answer["usage"]) == ([1], "m", None)
    assert answer["object"] == "chat.completion"


def test_a_reason_to_finish_is_an_end_too() -> None:
    assert read(stream(said(["a"]), done=False)) == whole("a")


@pytest.mark.fault("stream-cut")
def test_a_completion_without_its_end_is_no_prediction() -> None:
    for chunks in (said(["a"])[:-1], [chunk(usage=USAGE)], [*said(["a"]), chunk(delta({"content": "b"}, 1))]):
        with pytest.raises(PayloadError, match="neither \\[DONE\\] nor a finish_reason"):
            read(stream(chunks, done=False))


def test_an_error_in_the_stream_is_no_prediction() -> None:
    error = {"error": {"message": "the secret of the prompt", "code": 500}}
    with pytest.raises(PayloadError, match="error of the model server") as raised:
        read(stream([*said(["a"])[:-1], error]))
    assert "secret" not in str(raised.value)


def test_a_chunk_with_broken_json_is_no_disagreement() -> None:
    body = stream(said(["abc"])).replace(b'"abc"', b'"ab\x01c"').replace(b'{"content"', b'{content"', 2)
    with pytest.raises(PayloadError, match="no JSON object"):
        read(body)


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": "text"}, {"delta": ["a", None, 1]}, {"text": 1}, {"index": "x", "delta": {}}]},
        {"choices": [{"delta": {"tool_calls": [{"id": "a"}, {"id": "b"}]}}, None, 3]},
        {"choices": [{"delta": {"content": [{"type": "text", "text": "a"}]}}], "object": 5},
    ],
)
def test_odd_chunks_do_no_harm(odd: dict[str, Any]) -> None:
    assert "choices" in read(stream([odd, *said(["a"]), odd]))


def test_the_time_grows_with_the_length_alone() -> None:
    """Many chunks in one text; each is joined once."""
    started = time.process_time()
    answer = read(stream([{"choices": [{"delta": {"content": "abcdefgh" * 8}}]}] * 20_000, done=True))
    assert len(answer["choices"][0]["message"]["content"]) == 1_280_000
    assert time.process_time() - started < 60


def test_other_streams_with_choices_are_lists() -> None:
    assert read(stream([{"choices": ["red", "blue"]}])) == [{"choices": ["red", "blue"]}]
    assert HEAD["object"] == "chat.completion.chunk"
