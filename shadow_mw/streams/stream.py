"""A streamed answer: its events, as one value that can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shadow_mw.exceptions import PayloadError
from shadow_mw.streams.completions import are_chunks, completion
from shadow_mw.streams.events import DONE, parse_events


def read_stream(content: bytes, parse_json: Callable[[str], Any]) -> Any:
    """The value of an event stream.

    Chunks in OpenAI's form become the answer that is not streamed. Any other stream is a list of its events.
    Where none has a name, an event is its data, JSON as its value; else an object of `event` and `data`. A
    `[DONE]` at the end is no event.

    Raises:
        PayloadError: the stream is cut, has no events, or tells of an error in a completion.

    """
    events = parse_events(content)
    is_done = bool(events) and events[-1].data == DONE
    events = events[:-1] if is_done else events
    if not events:
        raise PayloadError("the event stream has no event with data")
    values = [_value(event.data, parse_json) for event in events]
    if are_chunks(values):
        return completion(values, is_done=is_done)
    if not any(event.name for event in events):
        return values
    return [
        {"event": event.name or "message", "data": value} for event, value in zip(events, values, strict=True)
    ]


def _value(data: str, parse_json: Callable[[str], Any]) -> Any:
    try:
        return parse_json(data)
    except ValueError:
        return data
