"""A broker in memory, which delivers again what was not acknowledged, with both its ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.lowlevel

from shadow_mw.records import Bucket, CapturedRequest, CapturedResponse, Envelope, Exchange

JSON = ((b"content-type", b"application/json"),)


class MemoryBroker:
    """Keeps envelopes until they are acknowledged."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Envelope, bool]] = deque()
        self.open: list[MemoryLetter] = []
        self.acknowledged: list[Envelope] = []
        self.dead: list[tuple[Envelope, str]] = []

    def put(self, envelope: Envelope) -> None:
        self.waiting.append((envelope, False))

    def put_back(self) -> None:
        """Deliver again all that is open, to whoever takes next, who can't know what was begun already."""
        for letter in self.open:
            letter.is_withdrawn = True
        left = [letter.envelope for letter in self.open] + [envelope for envelope, _ in self.waiting]
        self.open.clear()
        self.waiting = deque((envelope, True) for envelope in left)


class MemoryLetter:
    def __init__(self, broker: MemoryBroker, envelope: Envelope, *, is_repeated: bool) -> None:
        self._broker = broker
        self.envelope = envelope
        self.may_be_repeated = is_repeated
        self.is_withdrawn = False
        self.flaw = ""

    def acknowledge(self) -> None:
        if not self.is_withdrawn:
            self._broker.open.remove(self)
            self._broker.acknowledged.append(self.envelope)

    def reject(self, reason: str) -> None:
        self._broker.dead.append((self.envelope, reason))
        self.acknowledge()


class MemoryInbox:
    """The worker's end; `ends` says that it stops when the broker is empty."""

    problem = ""

    def __init__(self, broker: MemoryBroker, *, ends: bool = True) -> None:
        self._broker = broker
        self._ends = ends
        self._is_stopped = False
        self._stopped = anyio.Event()
        self.asked: list[int] = []

    @property
    def lag(self) -> int:
        return len(self._broker.waiting)

    async def take(self, limit: int) -> Sequence[MemoryLetter]:
        self.asked.append(limit)
        if not (self._broker.waiting or self._ends):
            await self._stopped.wait()
        taken = []
        while self._broker.waiting and len(taken) < limit and not self._is_stopped:
            envelope, is_repeated = self._broker.waiting.popleft()
            taken.append(MemoryLetter(self._broker, envelope, is_repeated=is_repeated))
        self._broker.open += taken
        return taken

    def stop(self) -> None:
        self._is_stopped = True
        self._stopped.set()

    async def aclose(self, seconds: float) -> None:
        self._is_stopped = True


class MemorySender:
    """The app's end: reports what `answer` says of each envelope, in the loop's next turn."""

    def __init__(
        self, broker: MemoryBroker, answer: Callable[[Envelope], Bucket | None] = lambda envelope: None
    ) -> None:
        self._broker = broker
        self.answer = answer

    def send(self, envelope: Envelope, report: Callable[[Bucket | None], None]) -> None:
        import asyncio

        bucket = self.answer(envelope)
        if bucket is None:
            self._broker.put(envelope)
        asyncio.get_running_loop().call_soon(report, bucket)

    async def aclose(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()


def exchange(
    number: int = 1, *, body: bytes = b'{"x":1}', answer: bytes = b'{"y":1}', **more: Any
) -> Exchange:
    """The same exchange for the same number."""
    exchange_id = f"0193a5b0-0000-7000-8000-000000000000-{number:x}"
    request = CapturedRequest(
        exchange_id=exchange_id,
        request_id=f"request-{number}",
        ts_us=1_790_000_000_000_000 + number,
        method="POST",
        route="POST /predict",
        path="/predict",
        headers=JSON,
        body=body,
        **more,
    )
    response = CapturedResponse(exchange_id=exchange_id, seconds=0.001, status=200, headers=JSON, body=answer)
    return Exchange(request=request, response=response)
