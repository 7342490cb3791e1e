"""The worker's end of a queue of SQS."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from shadow_mw.queue_urls import SQSAddress
from shadow_mw.queues.sqs_claims import Claims
from shadow_mw.queues.sqs_client import POLL_SECONDS, SQSClient
from shadow_mw.queues.sqs_errands import Errands
from shadow_mw.queues.sqs_facts import QueueFacts
from shadow_mw.queues.sqs_heartbeat import Heartbeat
from shadow_mw.queues.sqs_letter import SQSLetter
from shadow_mw.queues.sqs_receivers import Receivers


class SQSInbox:
    """Takes letters out of a queue of SQS. Used on one event loop only.

    Nothing is received that was not asked for. What was received stays hidden from other workers until it is
    acknowledged, rejected or released, however long that takes (SQS allows twelve hours); only a worker that
    dies, or can't reach SQS for longer than the queue's visibility timeout, leaves it to others.
    """

    def __init__(
        self,
        address: SQSAddress,
        *,
        endpoint_url: str = "",
        bucket: str = "",
        poll_seconds: int = POLL_SECONDS,
    ) -> None:
        """Ask nothing before the first `take`; then let SQS wait `poll_seconds` for a message.

        Raises:
            MissingExtraError: boto3 is not installed.
            SettingsError: nothing says in which region the queue is.

        """
        self._client = SQSClient(address, endpoint_url=endpoint_url, bucket=bucket)
        claims = Claims(self._client)
        self._facts = QueueFacts(self._client)
        self._heartbeat = Heartbeat(self._client, self._facts)
        self._errands = Errands(self._client, self._facts, self._heartbeat, claims)
        self._receivers = Receivers(
            self._client,
            self._facts,
            self._heartbeat,
            self._errands,
            claims,
            deliver=lambda letters: self._soon(self._arrive, letters),
            poll_seconds=poll_seconds,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._shelf: deque[SQSLetter] = deque()
        self._arrived = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_stopped = False

    def __repr__(self) -> str:
        """Which queue, and how many letters are open."""
        return f"SQSInbox({self._client.address.name!r}, open={len(self._heartbeat.open())})"

    @property
    def problem(self) -> str:
        """Why nothing can be taken now, as a sentence; empty while all is well."""
        parts = (self._receivers.trouble, self._receivers.bucket_trouble, self._errands.trouble)
        return next((part.sentence for part in parts if part.sentence), "")

    @property
    def lag(self) -> int | None:
        """How many messages wait in the queue, as it said some seconds ago; None before it did."""
        return self._facts.waiting

    async def take(self, limit: int) -> Sequence[SQSLetter]:
        """The next letters, at least one and at most `limit`; none once it is stopped.

        A cancelled call loses no letter: what arrives later goes to the next one.
        """
        self._begin()
        try:
            while not self._is_stopped:
                letters = self._from_shelf(limit)
                if letters:
                    return letters
                self._arrived.clear()
                self._receivers.want(limit)
                await self._arrived.wait()
        finally:
            self._receivers.want(0)
        return ()

    def stop(self) -> None:
        """Take nothing more. Letters that are open can still be acknowledged; the others are released."""
        self._is_stopped = True
        self._receivers.stop()
        self._release_shelf()
        self._arrived.set()

    async def aclose(self, seconds: float) -> None:
        """Delete what was acknowledged and release the rest, within so many seconds, and leave."""
        self.stop()
        self._errands.release(letter for letter in self._heartbeat.open() if not letter.is_settled)
        self._errands.close()
        try:
            if self._loop is not None:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), seconds)
        finally:
            self._errands.cut()
            self._heartbeat.stop()
            self._client.close()

    def _begin(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._errands.start(lambda: self._soon(self._ended.set))

    def _soon(self, function: Callable[..., object], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: SQS gives the letters to another worker
            assert self._loop is not None
            self._loop.call_soon_threadsafe(function, *arguments)

    def _arrive(self, letters: Sequence[SQSLetter]) -> None:
        self._shelf.extend(letters)
        if self._is_stopped:
            self._release_shelf()
        self._arrived.set()

    def _from_shelf(self, limit: int) -> list[SQSLetter]:
        letters: list[SQSLetter] = []
        while self._shelf and len(letters) < limit:
            letter = self._shelf.popleft()
            self._receivers.taken(1)
            if not letter.is_withdrawn:
                letters.append(letter)
        return letters

    def _release_shelf(self) -> None:
        letters = list(self._shelf)
        self._shelf.clear()
        if letters:
            self._errands.release(letters)
