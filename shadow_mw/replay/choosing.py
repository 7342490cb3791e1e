"""An inbox of which only some letters are taken, at a steady pace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio

from shadow_mw.broker_protocols import Inbox, Letter
from shadow_mw.envelope import Opener
from shadow_mw.exceptions import EnvelopeError, PayloadError
from shadow_mw.payload import decode_payload, extract
from shadow_mw.records import Envelope, Exchange


class Chosen:
    """The letters of another inbox that are wanted, at most so many, at most so many a second."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        wants: Callable[[Envelope], bool] = lambda envelope: True,  # noqa: ARG005 every letter
        limit: int | None = None,
        rate: float | None = None,
    ) -> None:
        """Count as `taken` only what is wanted, so that a limit is one of exchanges."""
        self._inbox = inbox
        self._wants = wants
        self._left = limit
        self._rate = rate
        self._next = float("-inf")
        self.passed = 0
        """How many letters were seen, wanted or not."""

    @property
    def problem(self) -> str:
        """The other inbox's."""
        return self._inbox.problem

    @property
    def lag(self) -> int | None:
        """The other inbox's."""
        return self._inbox.lag

    async def take(self, limit: int) -> Sequence[Letter]:
        """The next wanted letters; none at the end."""
        while self._left is None or self._left > 0:
            await self._keep_pace()
            letters = await self._inbox.take(self._most(limit))
            if not letters:
                return ()
            self.passed += len(letters)
            wanted = [letter for letter in letters if self._wants(letter.envelope)]
            for letter in letters:
                if letter not in wanted:
                    letter.acknowledge()
            if wanted:
                return self._counted(wanted)
        return ()

    def stop(self) -> None:
        """Take nothing more."""
        self._inbox.stop()

    async def aclose(self, seconds: float) -> None:
        """Close the other inbox."""
        await self._inbox.aclose(seconds)

    def _most(self, limit: int) -> int:
        paced = limit if self._rate is None else max(int(self._rate / 10), 1)
        return min(limit, paced, limit if self._left is None else self._left)

    async def _keep_pace(self) -> None:
        if self._rate is not None:
            await anyio.sleep(max(self._next - anyio.current_time(), 0.0))

    def _counted(self, letters: Sequence[Letter]) -> Sequence[Letter]:
        if self._left is not None:
            self._left -= len(letters)
        if self._rate is not None:
            self._next = max(self._next, anyio.current_time()) + len(letters) / self._rate
        return letters


def features_find(expression: str, opener: Opener, max_body_bytes: int) -> Callable[[Envelope], bool]:
    """Whether a JMESPath finds something true in the features of a sealed exchange.

    What can't be opened is wanted, so that it is told of and not passed over in silence.
    """

    def wants(envelope: Envelope) -> bool:
        try:
            content = opener.open(envelope)
        except EnvelopeError:
            return True
        return isinstance(content, Exchange) and _finds(expression, content, max_body_bytes)

    return wants


def exchanges_only(envelope: Envelope) -> bool:
    """False for counts, which were booked when they were live."""
    return not envelope.headers.get("ce_type", "").startswith("shadow_mw.counts.")


def _finds(expression: str, exchange: Exchange, max_body_bytes: int) -> bool:
    request = exchange.request
    try:
        features: Any = decode_payload(request.body, request.headers, max_bytes=max_body_bytes)
        return bool(extract(features, expression))
    except PayloadError:
        return False
