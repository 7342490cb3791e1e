"""The extension points, each a protocol of one or two methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from shadow_mw.records import (
    Answer,
    CapturedRequest,
    Exchange,
    Judgement,
    Message,
    Record,
)


class Draft(Protocol):
    """An exchange that is over and not yet put together, which can wait until the request has gone."""

    @property
    def route(self) -> str:
        """Under which route it is booked, should it get lost."""
        ...

    @property
    def size_bytes(self) -> int:
        """What its bodies take."""
        ...

    def message(self) -> Exchange:
        """The exchange; the same each time."""
        ...


class Queue(Protocol):
    """What stands between the app and the worker, seen from the app."""

    def offer(self, message: Message) -> bool:
        """Hand a message over; False when there is no room. Never blocks, never raises. Thread-safe."""
        ...

    def offer_later(self, draft: Draft) -> bool:
        """Hand over, as `offer` does, what is in no hurry: the queue may gather for some milliseconds."""
        ...

    def drain(self, seconds: float) -> bool:
        """Wait until all that was handed over is done with; False when the deadline came first."""
        ...

    def close(self, seconds: float) -> None:
        """Drain, then stop for good. What is left after the deadline is counted as `worker_lost`."""
        ...


class Delivery(Protocol):
    """One message on the worker's side of a queue."""

    @property
    def message(self) -> Message:
        """What was offered."""
        ...

    @property
    def is_kept(self) -> bool:
        """True where the queue keeps the message until it is acknowledged, so that it can't get lost here."""
        ...

    @property
    def may_be_repeated(self) -> bool:
        """True where another worker may have the message too, or have had it."""
        ...

    @property
    def is_withdrawn(self) -> bool:
        """True once the queue gives the message to another worker: nothing of it may be recorded here."""
        ...

    @property
    def settled(self) -> frozenset[str]:
        """The shadows whose record of this exchange is in the store already."""
        ...

    def done(self) -> None:
        """Give the message's room back: its comparisons are on their way to the store."""
        ...

    def acknowledge_part(self, shadow: str) -> None:
        """The same of one shadow while others owe theirs; where the queue keeps messages, it is not told."""
        ...

    def acknowledge(self) -> None:
        """Tell the queue that the message's comparisons are in the store, or counted as dropped."""
        ...


class Source(Protocol):
    """What stands between the app and the worker, seen from the worker."""

    def deliveries(self) -> AsyncIterator[Delivery]:
        """The messages as they come, until the queue is closed and empty."""
        ...


class Shadow(Protocol):
    """A model that is asked and never answers the caller."""

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        """The shadow's answer to a captured request, sent with these headers of ours added.

        The caller sets the deadline by cancelling.

        Raises:
            ShadowError: there is no answer.

        """
        ...

    async def aclose(self) -> None:
        """Give connections back."""
        ...


class Pair(msgspec.Struct, frozen=True):
    """What a comparator is given: both decoded predictions of one exchange."""

    production: Any
    """JSON values (dict, list, str, int, float, bool, None), or bytes where the body is not JSON."""
    shadow: Any
    features: Any = None
    route: str = ""


class Comparator(Protocol):
    """Decides whether two predictions agree."""

    @property
    def name(self) -> str:
        """The name that stands in records and spans."""
        ...

    def compare(self, pair: Pair) -> Judgement:
        """The judgement; what it raises makes the comparison `incomparable`, with the error as the reason."""
        ...


class Store(Protocol):
    """Where comparisons are kept."""

    def write(self, batch: Sequence[Record]) -> None:
        """Append a batch; all of it or none. Blocks, so it is called on a thread.

        Raises:
            StoreError: the batch could not be kept.

        """
        ...

    def close(self) -> None:
        """Give files back."""
        ...


class Kept(Protocol):
    """Tells which records a store has already."""

    def known(self, records: Sequence[tuple[str, int]]) -> frozenset[str]:
        """The ids that are in the store, of records given as (record id, microseconds of Unix time).

        Blocks, so it is called on a thread. Thread-safe.

        Raises:
            StoreError: the store could not be read.

        """
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class Dialect(Protocol):
    """The fragments of SQL that differ between engines. Each takes and returns SQL text."""

    def log_bin(self, microseconds: str) -> str:
        """The 1 % logarithmic bin of a duration: floor(ln(us) / ln(1.01)), with us at least 1."""
        ...

    def step(self, moment: str, microseconds: int) -> str:
        """The start of the stretch of so many microseconds in which a moment lies."""
        ...

    def prefix(self, text: str, chars: int) -> str:
        """The first so many characters of a text."""
        ...

    def each(self, items: str) -> str:
        """A row for each item of a list of texts."""
        ...

    def each_key(self, entries: str) -> str:
        """A row for each key of a map; in step with `each_value` and `each_count` of the same map."""
        ...

    def each_value(self, entries: str) -> str:
        """A row for each text in a map of texts."""
        ...

    def each_count(self, entries: str) -> str:
        """A row for each number in a map of counts."""
        ...


class Reader(Protocol):
    """A store that answers SQL over the tables `comparisons`, `tallies`, `truths` and `pulses`."""

    @property
    def dialect(self) -> Dialect:
        """How the engine writes what engines write differently."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of a query, each a dict by column; `?` stands for a parameter.

        Raises:
            StoreError: the store could not be read.

        """
        ...

    def close(self) -> None:
        """Give connections and files back."""
        ...
