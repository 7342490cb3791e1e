"""Server-sent events: the text of an event stream, as events (WHATWG HTML Living Standard, section 9.2.6)."""

from __future__ import annotations

import re
from typing import NamedTuple

from shadow_mw.exceptions import PayloadError

#: How APIs that follow OpenAI's end a stream. It is no event of the answer.
DONE = "[DONE]"
_LINE_END = re.compile("\r\n|\n|\r")


class Event(NamedTuple):
    """One event: its name, empty where it has none, and its data."""

    name: str
    data: str


class _Parser:
    """Lines in, events out. `id` and `retry` are for those who connect again, and left out."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._name = ""
        self.data: list[str] = []
        """The lines of the event that is begun."""

    def line(self, line: str) -> None:
        """Take the next line, without its end."""
        if not line:
            self.dispatch()
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self.data.append(value)
        elif field == "event":
            self._name = value

    def dispatch(self) -> None:
        """End the event; one without data is none."""
        if self.data:
            self.events.append(Event(self._name, "\n".join(self.data)))
        self._name = ""
        self.data.clear()


def parse_events(content: bytes) -> list[Event]:
    """The events of a whole stream.

    The standard drops an event that has no blank line behind it, and puts a sign in the place of bytes that
    are no UTF-8. Here both show that the stream was damaged. A last `[DONE]` needs no blank line.

    Raises:
        PayloadError: the stream ends in the middle of an event, or is not UTF-8.

    """
    parser = _Parser()
    *lines, rest = _LINE_END.split(_text(content))
    for line in lines:
        parser.line(line)
    is_cut = bool(rest) and not rest.startswith(":")
    if is_cut:
        parser.line(rest)
    if parser.data == [DONE]:
        parser.dispatch()
        is_cut = False
    if is_cut or parser.data:
        raise PayloadError("the event stream ends in the middle of an event")
    return parser.events


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PayloadError(f"the event stream is not UTF-8 text: {error.reason}") from None
