"""What comes out of a topic: letters, and the book that is kept of each partition."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from confluent_kafka import Message

from shadow_mw.records import Envelope

_TELL_AGAIN_SECONDS = 2.0

RawHeaders: TypeAlias = "list[tuple[str, str | bytes | None]]"


class KafkaLetter:
    """One message that this worker was given. Acknowledged on the loop, withdrawn on the reader's thread."""

    __slots__ = (
        "_reject",
        "envelope",
        "is_closed",
        "is_done",
        "is_taken",
        "is_withdrawn",
        "may_be_repeated",
        "message",
    )
    #: Whatever is wrong with it, the envelope tells.
    flaw = ""

    def __init__(
        self, message: Message, *, may_be_repeated: bool, reject: Callable[[KafkaLetter, str], None]
    ) -> None:
        """Wrap a message; `reject` brings it to the dead letters."""
        self.message = message
        self.envelope = envelope_of(message)
        self.may_be_repeated = may_be_repeated
        self.is_withdrawn = False
        self.is_taken = False
        self.is_closed = False
        self.is_done = False
        self._reject = reject

    def __repr__(self) -> str:
        """Where it lies, and nothing of what it says."""
        return f"KafkaLetter({place(self.message)}, is_done={self.is_done}, is_withdrawn={self.is_withdrawn})"

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        return self.message.offset() or 0

    def acknowledge(self) -> None:
        """Have the broker forget it."""
        if not self.is_closed:
            self.is_closed = self.is_done = True

    def reject(self, reason: str) -> None:
        """Put it among the dead letters with a reason; only when it is safe there is it acknowledged."""
        if not self.is_closed and not self.is_withdrawn:
            self.is_closed = True
            self._reject(self, reason)


@dataclass(frozen=True)
class HistoryLetter:
    """One message of the past: it is acknowledged already. Immutable."""

    envelope: Envelope
    may_be_repeated: bool = True
    is_withdrawn: bool = False
    flaw: str = ""

    def acknowledge(self) -> None:
        """Do nothing: the broker keeps it for the workers' sake."""

    def reject(self, reason: str) -> None:
        """Do nothing: the workers put it among the dead letters."""


class Ledger:
    """The book of one partition: which letters are open, and how far all are acknowledged.

    Kept on the reader's thread only.
    """

    def __init__(self, partition: int) -> None:
        """Begin where nothing is known yet."""
        self.partition = partition
        self.first_end: int | None = None
        """Where the partition ended when it was assigned: what lies before may have been another's."""
        self.start: int | None = None
        self.end: int | None = None
        self.position: int | None = None
        """The next offset to be acknowledged."""
        self.confirmed: int | None = None
        """What the broker says that it knows of that."""
        self._told: int | None = None
        self._told_at = 0.0
        self._open: deque[KafkaLetter] = deque()

    def __repr__(self) -> str:
        """Partition and positions."""
        return f"Ledger({self.partition}, position={self.position}, end={self.end}, open={len(self._open)})"

    @property
    def lag(self) -> int | None:
        """How many messages are not acknowledged; None before it is known."""
        if self.end is None or self.position is None:
            return None
        return max(0, self.end - self.position)

    @property
    def is_told(self) -> bool:
        """True where the broker knows how far all is acknowledged."""
        return self.position == self.confirmed

    @property
    def awaits(self) -> bool:
        """True while a letter is with the worker."""
        return any(letter.is_taken and not letter.is_done for letter in self._open)

    def starts_at(self, offset: int) -> None:
        """Take where the group stands, unless a letter has told already."""
        if self.position is None:
            self.position = self._told = self.confirmed = offset

    def ends_at(self, end: int) -> None:
        """Take where the partition ends now."""
        self.end = end
        if self.first_end is None:
            self.first_end = end

    def may_be_repeated(self, offset: int) -> bool:
        """True unless the message came after the partition was assigned."""
        return self.first_end is None or offset < self.first_end

    def news(self, now: float) -> int | None:
        """What the broker is to be told now; None for nothing.

        While a group rebalances, the client may say nothing of a commit ever again, so it is told once more.
        """
        is_new = self.position != self._told or now - self._told_at >= _TELL_AGAIN_SECONDS
        if self.is_told or not is_new:
            return None
        self._told, self._told_at = self.position, now
        return self.position

    def add(self, letter: KafkaLetter) -> None:
        """Take a letter, in the order of the offsets."""
        self.starts_at(letter.offset)
        self._open.append(letter)

    def settle(self) -> None:
        """Go on to the first letter that is not acknowledged."""
        while self._open and self._open[0].is_done:
            self.position = self._open.popleft().offset + 1

    def withdraw(self, *, is_all: bool = True) -> None:
        """Withdraw the letters that are open; or only those that no one has taken yet."""
        for letter in self._open:
            if is_all or not letter.is_taken:
                letter.is_withdrawn = True
        if is_all:
            self._open.clear()


def place(message: Message) -> str:
    """Topic, partition and offset, as in `predictions[3]@17`."""
    return f"{message.topic()}[{message.partition()}]@{message.offset()}"


def envelope_of(message: Message) -> Envelope:
    """The envelope in a message; of a message that is none of ours, one that can be rejected."""
    headers = {name.lower(): _text(value) for name, value in raw_headers(message)}
    return Envelope(
        id=headers.get("ce_id", ""), key=_text(message.key()), headers=headers, value=message.value() or b""
    )


def raw_headers(message: Message) -> RawHeaders:
    """Names and values as they came, in their order."""
    headers = message.headers() or []
    return list(headers.items()) if isinstance(headers, dict) else headers


def _text(raw: str | bytes | None) -> str:
    return raw if isinstance(raw, str) else (raw or b"").decode("utf-8", "replace")
