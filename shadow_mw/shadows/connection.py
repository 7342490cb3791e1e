"""One connection to a shadow, which carries one call at a time."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from shadow_mw.exceptions import ShadowError, ShadowProtocolError
from shadow_mw.records import Answer
from shadow_mw.shadows.answer_reader import AnswerReader


class StaleConnectionError(ShadowProtocolError):
    """A connection that had been kept alive ended before a byte of the answer came."""


class Connection(asyncio.Protocol):
    """A connection over TCP or TLS. A call that fails or is cancelled closes it."""

    def __init__(self, *, max_body_bytes: int) -> None:
        """Refuse answers larger than `max_body_bytes`."""
        self._reader = AnswerReader(max_body_bytes=max_body_bytes)
        self._waiter: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None
        self._has_served = False
        self._has_answer_begun = False
        self._idle_since = 0.0

    def __repr__(self) -> str:
        """Open or not."""
        return f"Connection(is_open={self._transport is not None})"

    @property
    def is_open(self) -> bool:
        """True when another call may be made."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def idle_seconds(self) -> float:
        """How long it has had nothing to do."""
        return time.monotonic() - self._idle_since

    async def call(self, head: bytes, body: bytes, *, is_head: bool) -> Answer:
        """The answer to a request that is sent as it is given.

        Raises:
            StaleConnectionError: nothing came, and the connection had been kept alive.
            ShadowProtocolError: the connection broke, or this is not HTTP.
            ShadowAnswerTooLarge: the body is too large.

        """
        self._has_answer_begun = False
        if self._transport is None:
            raise self._lost(None)
        self._reader.begin(is_head=is_head)
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(head + body)
        try:
            answer = await self._waiter
        except BaseException:
            self.close()
            raise
        finally:
            self._waiter = None
        self._has_served = True
        self._idle_since = time.monotonic()
        if not self._reader.keeps_alive:
            self.close()
        return answer

    def close(self) -> None:
        """Close at once; what was not sent is not sent."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the base class

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._waiter is None or self._waiter.done():
            self.close()  # nothing was asked for, so whatever this is, the next answer would not be ours
            return
        self._has_answer_begun = True
        try:
            answer = self._reader.feed(data)
        except ShadowError as error:
            self._waiter.set_exception(error)
            return
        if answer is not None:
            self._finish(answer)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        transport, self._transport = self._transport, None
        if transport is None or self._waiter is None or self._waiter.done():
            return
        try:
            if error is not None or not self._has_answer_begun:
                raise self._lost(error)
            self._waiter.set_result(self._reader.end())
        except ShadowError as failure:
            self._waiter.set_exception(failure)

    def _finish(self, answer: Answer) -> None:
        assert self._waiter is not None
        assert self._transport is not None
        if self._transport.get_write_buffer_size():
            self._reader.keeps_alive = False  # answered before it had read the whole request
        self._waiter.set_result(answer)

    def _lost(self, error: Exception | None) -> ShadowProtocolError:
        if self._has_served and not self._has_answer_begun:
            return StaleConnectionError("the connection that was kept alive had ended")
        reason = f": {error}" if error is not None else ""
        return ShadowProtocolError(f"the connection ended before the answer was complete{reason}")
