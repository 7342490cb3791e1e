"""The worker's source where the queue is a broker: letters in, deliveries out, each exchange once."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TypeAlias

import anyio
import anyio.to_thread

from shadow_mw.books import Books
from shadow_mw.broker_protocols import Inbox, Letter
from shadow_mw.envelope import Opener
from shadow_mw.exceptions import EnvelopeError, StoreError
from shadow_mw.frames import Counts
from shadow_mw.protocols import Delivery
from shadow_mw.records import CapturedRequest, Exchange

_log = logging.getLogger("shadow_mw")
_MOST_AT_ONCE = 500
#: Of so many exchanges it is remembered that they are done: a producer may send one twice.
_MOST_REMEMBERED = 100_000
_AGAIN_SECONDS = 1.0

#: For each exchange id the shadows whose record of it is in the store already.
Settled: TypeAlias = Mapping[str, frozenset[str]]


class BrokerSource:
    """Takes from a broker no more than there is room for. Used on one event loop only.

    A letter is acknowledged when the records of its exchange are in the store, and not before: what a worker
    leaves undone is delivered again, here or elsewhere. Records that are there already are not made twice.
    """

    def __init__(
        self,
        inbox: Inbox,
        opener: Opener,
        books: Books,
        *,
        settled: Callable[[Sequence[CapturedRequest]], Settled],
        written: Callable[[Callable[[], None]], None],
        size: int,
        size_bytes: int,
    ) -> None:
        """Hold at most `size` exchanges with `size_bytes` bytes of bodies until they are acknowledged.

        `settled` asks the store and blocks, so it is called on a thread; `written` calls back once all that
        was booked until then is in the store.
        """
        self._inbox = inbox
        self._opener = opener
        self._books = books
        self._settled = settled
        self._written = written
        self._size = size
        self._size_bytes = size_bytes
        self._open: dict[str, _Delivery] = {}
        self._open_bytes = 0
        self._done: OrderedDict[str, None] = OrderedDict()
        self._is_stopping = False
        self._moved = anyio.Event()
        self._trouble = ""

    def __repr__(self) -> str:
        """How much is open."""
        return f"BrokerSource(open={len(self._open)}, open_bytes={self._open_bytes})"

    @property
    def problem(self) -> str:
        """Why nothing is taken now, as a sentence; empty while all is well."""
        return "it is stopping" if self._is_stopping else self._trouble or self._inbox.problem

    @property
    def is_stopping(self) -> bool:
        """True once nothing more is taken."""
        return self._is_stopping

    @property
    def lag(self) -> int | None:
        """How many exchanges wait at the broker, as far as this worker knows."""
        return self._inbox.lag

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """The exchanges as they come and as there is room, until stopped."""
        while not self._is_stopping:
            await self._room(0)
            letters = await self._inbox.take(min(self._size - len(self._open), _MOST_AT_ONCE))
            if not letters:
                return
            for delivery in await self._fresh(self._sorted(letters)):
                await self._room(delivery.size_bytes)
                self._begin(delivery)
                yield delivery

    def stop(self) -> None:
        """Take nothing more; what is open can still be finished."""
        self._is_stopping = True
        self._inbox.stop()
        self._moved.set()

    def acknowledged(self, delivery: _Delivery) -> None:
        """Give the room of a delivery back."""
        exchange_id = delivery.message.request.exchange_id
        if self._open.get(exchange_id) is delivery:
            del self._open[exchange_id]
        self._open_bytes -= delivery.size_bytes
        if not delivery.is_withdrawn:
            self._remember(exchange_id)
            delivery.letter.acknowledge()
        self._moved.set()

    async def _room(self, size_bytes: int) -> None:
        while not self._is_stopping and self._open and not self._has_room(size_bytes):
            self._moved = anyio.Event()
            await self._moved.wait()

    def _has_room(self, size_bytes: int) -> bool:
        return len(self._open) < self._size and self._open_bytes + size_bytes <= self._size_bytes

    def _begin(self, delivery: _Delivery) -> None:
        self._open[delivery.message.request.exchange_id] = delivery
        self._open_bytes += delivery.size_bytes

    def _sorted(self, letters: Sequence[Letter]) -> list[_Delivery]:
        """Those letters that hold an exchange to deal with."""
        found: dict[str, _Delivery] = {}
        for letter in letters:
            content = self._opened(letter)
            if isinstance(content, Counts):
                self._book(content, letter)
            elif content is not None and self._is_new(content.request.exchange_id, letter, found):
                found[content.request.exchange_id] = _Delivery(self, letter, content)
        return list(found.values())

    def _opened(self, letter: Letter) -> Exchange | Counts | None:
        reason = letter.flaw
        try:
            if not reason:
                return self._opener.open(letter.envelope)
        except EnvelopeError as error:
            reason = str(error)
        if self._is_known(letter.envelope.id):
            letter.acknowledge()  # a copy whose claim went with the first one
            return None
        _log.warning("a message is not taken: %s", reason)
        letter.reject(reason)
        return None

    def _is_known(self, exchange_id: str) -> bool:
        return exchange_id in self._done or exchange_id in self._open

    def _book(self, counts: Counts, letter: Letter) -> None:
        for route, shadow, added in counts.added:
            self._books.add_many(route, shadow, added)
        self._books.restraints.tell(counts.restraints)
        self._written(letter.acknowledge)

    def _is_new(self, exchange_id: str, letter: Letter, found: Mapping[str, _Delivery]) -> bool:
        """False for a second copy of what is done or under way here, which is acknowledged at once."""
        same = found.get(exchange_id) or self._open.get(exchange_id)
        if exchange_id in self._done or (same is not None and not same.is_withdrawn):
            letter.acknowledge()
            return False
        return True

    async def _fresh(self, deliveries: list[_Delivery]) -> list[_Delivery]:
        """The deliveries, told which of their records are in the store already."""
        suspects = [one.message.request for one in deliveries if one.letter.may_be_repeated]
        settled = await self._look_up(suspects) if suspects else {}
        for delivery in deliveries:
            delivery.settled = settled.get(delivery.message.request.exchange_id, frozenset())
        return deliveries

    async def _look_up(self, requests: Sequence[CapturedRequest]) -> Settled:
        """Ask the store, again and again while it can't answer: a guess would make records twice."""
        while not self._is_stopping:
            settled = await self._asked(requests)
            if settled is not None:
                return settled
            with anyio.move_on_after(_AGAIN_SECONDS):
                await self._until_stopping()
        return {}

    async def _asked(self, requests: Sequence[CapturedRequest]) -> Settled | None:
        try:
            settled = await anyio.to_thread.run_sync(self._settled, requests, abandon_on_cancel=True)
        except StoreError as error:
            self._tell(f"the store does not tell what it has already: {error}")
            return None
        self._tell("")
        return settled

    async def _until_stopping(self) -> None:
        while not self._is_stopping:
            self._moved = anyio.Event()
            await self._moved.wait()

    def _tell(self, trouble: str) -> None:
        if trouble and not self._trouble:
            _log.warning("%s; nothing is taken from the broker until it does", trouble)
        self._trouble = trouble

    def _remember(self, exchange_id: str) -> None:
        self._done[exchange_id] = None
        if len(self._done) > _MOST_REMEMBERED:
            self._done.popitem(last=False)


class _Delivery:
    """One exchange that a broker keeps until it is acknowledged."""

    __slots__ = ("_source", "letter", "message", "settled", "size_bytes")
    is_kept = True

    def __init__(self, source: BrokerSource, letter: Letter, exchange: Exchange) -> None:
        self._source = source
        self.letter = letter
        self.message = exchange
        self.settled: frozenset[str] = frozenset()
        self.size_bytes = len(exchange.request.body) + len(exchange.response.body)

    @property
    def is_withdrawn(self) -> bool:
        return self.letter.is_withdrawn

    @property
    def may_be_repeated(self) -> bool:
        return self.letter.may_be_repeated

    def done(self) -> None:
        """Nothing: the room is held until the records are in the store."""

    def acknowledge_part(self, shadow: str) -> None:
        """Nothing: the records in the store tell, where the letter is delivered again."""

    def acknowledge(self) -> None:
        self._source.acknowledged(self)
