"""Envelopes for tests, sent and taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from sqs_servers import PATIENCE_SECONDS, Queue, Service, until

from shadow_mw.queues.sqs_inbox import SQSInbox
from shadow_mw.queues.sqs_sender import SQSSender
from shadow_mw.records import Envelope


def envelope(number: int | str = 1, value: bytes = b"\x00\x01\xff", key: str = "") -> Envelope:
    key = key or f"request-{number}"
    headers = {
        "ce_specversion": "1.0",
        "ce_id": f"id-{number}",
        "ce_type": "shadow_mw.exchange.v1",
        "ce_source": "tests",
        "ce_time": "2026-12-01T00:00:00.000+00:00",
        "content-type": "application/vnd.shadow-mw+msgpack",
        "request_id": key,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "key_id": "k1",
    }
    return Envelope(id=f"id-{number}", key=key, headers=headers, value=value)


class Reports:
    """What became of envelopes, in the order of the reports."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str | None]] = []

    def of(self, one: Envelope) -> Callable[[Any], None]:
        return lambda bucket: self.all.append((one.id, bucket))

    async def are(self, count: int) -> dict[str, str | None]:
        await soon(lambda: len(self.all) >= count)
        assert len(self.all) == count == len(dict(self.all)), self.all
        return dict(self.all)


async def soon(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds, which is looked at on another thread."""
    await asyncio.to_thread(until, condition)


@contextlib.asynccontextmanager
async def sending(queue: Queue | Any, **settings: Any) -> AsyncIterator[SQSSender]:
    sender = SQSSender(queue.address, endpoint_url=_url(queue), **settings)
    try:
        yield sender
    finally:
        await sender.aclose(PATIENCE_SECONDS)


@contextlib.asynccontextmanager
async def taking(
    queue: Queue | Any, *, seconds: float = PATIENCE_SECONDS, **settings: Any
) -> AsyncIterator[SQSInbox]:
    inbox = SQSInbox(queue.address, endpoint_url=_url(queue), poll_seconds=1, **settings)
    try:
        yield inbox
    finally:
        await inbox.aclose(seconds)


def _url(queue: Any) -> str:
    return queue.service.url if isinstance(getattr(queue, "service", None), Service) else ""


async def send(queue: Queue, envelopes: Iterable[Envelope], **settings: Any) -> dict[str, str | None]:
    """Send these, and wait for what becomes of them."""
    envelopes = list(envelopes)
    reports = Reports()
    async with sending(queue, **settings) as sender:
        for one in envelopes:
            sender.send(one, reports.of(one))
        return await reports.are(len(envelopes))


async def take(inbox: SQSInbox, count: int = 1) -> list[Any]:
    """So many letters."""
    letters: list[Any] = []
    while len(letters) < count:
        letters += await asyncio.wait_for(inbox.take(count - len(letters)), PATIENCE_SECONDS)
    return letters
