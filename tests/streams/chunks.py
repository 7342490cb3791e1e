"""An answer of a chat model, as the chunks of a stream and as one body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

TYPE = ((b"content-type", b"text/event-stream"),)
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**HEAD, "choices": list(choices), **more}


def delta(content: dict[str, Any], index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"index": index, "delta": content, "finish_reason": finish, "logprobs": None, **more}


def said(pieces: Iterable[str]) -> list[dict[str, Any]]:
    """One choice, said in these pieces."""
    return [
        chunk(delta({"role": "assistant", "content": ""})),
        *(chunk(delta({"content": piece})) for piece in pieces),
        chunk(delta({}, finish="stop")),
    ]


def stream(chunks: Sequence[Any], *, done: bool = True) -> bytes:
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in chunks)
    return f"{body}data: [DONE]\n\n".encode() if done else body.encode()


def whole(content: str, **more: Any) -> dict[str, Any]:
    """The body of the same answer that is not streamed."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {**HEAD, "object": "chat.completion", "choices": [choice], **more}
