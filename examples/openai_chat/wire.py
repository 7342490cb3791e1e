"""The wire format of OpenAI's chat completions, streamed or not, around a function that knows answers."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


class Message(BaseModel):
    """One turn of a conversation."""

    role: str
    content: str


class Question(BaseModel):
    """What a client asks; it may say more, which this server does not need."""

    model: str
    messages: list[Message]
    stream: bool = False


def chat_api(answer: Callable[[str], str], *, chunk_chars: int) -> FastAPI:
    """An app that answers the last message of a conversation, in chunks of so many characters if streamed."""
    app = FastAPI(title="Chat")

    @app.post("/v1/chat/completions", response_model=None)
    def complete(question: Question) -> dict[str, Any] | StreamingResponse:
        text = answer(question.messages[-1].content)
        about = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": question.model}
        if question.stream:
            pieces = [text[at : at + chunk_chars] for at in range(0, len(text), chunk_chars)]
            return StreamingResponse(events(about, pieces), media_type="text/event-stream")
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return {**about, "object": "chat.completion", "choices": [choice]}

    return app


def events(about: dict[str, Any], pieces: list[str]) -> Iterator[str]:
    """The answer as server-sent events: who speaks, the pieces, why it ends, and that it has ended."""
    deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces), {}]
    for number, delta in enumerate(deltas, 1):
        choice = {"index": 0, "delta": delta, "finish_reason": "stop" if number == len(deltas) else None}
        yield f"data: {json.dumps({**about, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"
    yield "data: [DONE]\n\n"
