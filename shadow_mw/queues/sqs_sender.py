"""The app's end of a queue of SQS: a bounded buffer, and one thread that sends what is in it in batches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from shadow_mw.boundary import Guard
from shadow_mw.queue_urls import SQSAddress
from shadow_mw.queues.sqs_buffer import Buffer, Item, Report
from shadow_mw.queues.sqs_claims import Claims
from shadow_mw.queues.sqs_client import THREAD, Failure, SQSClient
from shadow_mw.queues.sqs_envelope import (
    LIMIT_BYTES,
    OLD_LIMIT_BYTES,
    RESERVE_BYTES,
    attributes_of,
    encode,
    group_of,
)
from shadow_mw.queues.sqs_errors import ServiceError
from shadow_mw.queues.sqs_trouble import Trouble
from shadow_mw.records import Bucket, Envelope

_log = logging.getLogger("shadow_mw")
_SIZE = 10_000
_SIZE_BYTES = 32 * 2**20
_GATHER_SECONDS = 0.1
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_ASK_AGAIN_SECONDS = 60.0
_MEANWHILE = (
    "exchanges wait and are tried again, in the end counted as queue_full; production is not affected"
)


class SQSSender:
    """Brings envelopes to SQS. Used on one event loop only.

    Of a batch only those are sent again that failed for a reason that may pass, with growing pauses, until
    `give_up_seconds` are over. A value that is too large for a message goes to the bucket, if there is one.
    """

    def __init__(
        self,
        address: SQSAddress,
        *,
        endpoint_url: str = "",
        bucket: str = "",
        limit_bytes: int = LIMIT_BYTES,
        size: int = _SIZE,
        size_bytes: int = _SIZE_BYTES,
        give_up_seconds: float = 120.0,
    ) -> None:
        """Send messages of at most `limit_bytes`; hold at most `size` of `size_bytes`.

        Raises:
            MissingExtraError: boto3 is not installed.
            SettingsError: nothing says in which region the queue is.

        """
        self._client = SQSClient(address, endpoint_url=endpoint_url, bucket=bucket)
        self._give_up_seconds = give_up_seconds
        self._buffer = Buffer(
            size=size, size_bytes=size_bytes, gather_seconds=_GATHER_SECONDS, is_ordered=address.is_fifo
        )
        self._postman = _Postman(self._client, self._buffer, limit_bytes)
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()
        self._guard = Guard("handing an exchange to SQS")

    def __repr__(self) -> str:
        """Where to, and how many are on their way."""
        return f"SQSSender({self._client.address.name!r}, open={len(self._buffer)})"

    @property
    def problem(self) -> str:
        """Why nothing gets through now, as a sentence; empty while all is well."""
        return self._postman.problem

    def send(self, envelope: Envelope, report: Report) -> None:
        """Take an envelope and bring it to SQS. Never blocks, never raises."""
        with self._guard:
            if self._buffer.add(Item(envelope, report, time.monotonic() + self._give_up_seconds)):
                if self._thread is None:
                    self._start()
                return
        full: Bucket = "queue_full"
        asyncio.get_running_loop().call_soon(self._buffer.report, [(report, full)])

    async def aclose(self, seconds: float) -> None:
        """Bring what waits to SQS within so many seconds, report the rest as `queue_full`, and end."""
        self._buffer.close()
        try:
            if self._thread is not None:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), seconds)
        finally:
            self._buffer.cut()
            self._client.close()

    def _start(self) -> None:
        work = partial(self._main, asyncio.get_running_loop())
        self._thread = threading.Thread(target=work, name=f"{THREAD}-sender", daemon=True)
        self._thread.start()

    def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._postman.work()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._ended.set)


class _Postman:
    """Empties a buffer into a queue. Used on one thread only."""

    def __init__(self, client: SQSClient, buffer: Buffer, limit_bytes: int) -> None:
        self._client = client
        self._buffer = buffer
        self._limit_bytes = limit_bytes
        self._claims = Claims(client)
        self._trouble = Trouble(f"sending to the SQS queue {client.address.name!r}", _MEANWHILE)
        self._bucket_trouble = Trouble(f"leaving large exchanges in the bucket {client.bucket!r}", _MEANWHILE)
        self._failures = 0
        self._bucket_failures = 0
        self._bucket_rests_until = 0.0
        self._is_down = False
        self._ask_limit_at = 0.0
        self._guard = Guard("sending exchanges to SQS")

    @property
    def problem(self) -> str:
        return self._trouble.sentence or self._bucket_trouble.sentence

    def work(self) -> None:
        """Send what comes, until the buffer is closed and empty, or cut."""
        while batch := self._buffer.take():
            self._is_down = True  # unless the round says otherwise
            with self._guard:
                self._round(batch)
            self._buffer.put_back(batch, _pause)
            self._failures = self._failures + 1 if self._is_down else 0
            if self._is_down:
                self._buffer.pause(_pause(self._failures))
            self._buffer.tell()
        self._buffer.tell()

    def _round(self, batch: Sequence[Item]) -> None:
        self._ask_limit()
        ready = [item for item in batch if self._is_packed(item)]
        self._is_down = False
        for load in _loads(ready, self._limit_bytes):
            if not self._is_down:
                self._send(load)

    def _ask_limit(self) -> None:
        """Look how large a message of this queue may be; who may not look finds out by trying."""
        if time.monotonic() < self._ask_limit_at:
            return
        self._ask_limit_at = time.monotonic() + _ASK_AGAIN_SECONDS
        try:
            answer = self._client.ask("get_queue_attributes", AttributeNames=["MaximumMessageSize"])
        except ServiceError as error:
            _log.debug("the largest message of the queue is not known: %s", error)
        else:
            told = (answer.get("Attributes") or {}).get("MaximumMessageSize", self._limit_bytes)
            self._limit_bytes = min(self._limit_bytes, int(told))
            self._ask_limit_at = float("inf")

    def _is_packed(self, item: Item) -> bool:
        """True when there is a parcel to send, be it with the value or with the claim to it."""
        if item.parcel is not None:
            return True
        most = self._limit_bytes - min(RESERVE_BYTES, self._limit_bytes // 8)
        # A large value is not encoded only to see that it is too large.
        parcel = encode(item.envelope) if len(item.envelope.value) <= most else None
        if parcel is not None and parcel.size_bytes <= most:
            item.parcel = parcel
        elif self._claims.is_possible:
            self._leave(item)
        else:
            self._buffer.settle([item], "too_large")
        return item.parcel is not None

    def _leave(self, item: Item) -> None:
        if time.monotonic() < self._bucket_rests_until:
            return
        try:
            claim = self._claims.leave(item.envelope)
        except ServiceError as error:
            self._bucket_failures += 1
            self._bucket_rests_until = time.monotonic() + _pause(self._bucket_failures)
            self._bucket_trouble.began(str(error))
        else:
            self._bucket_failures = 0
            self._bucket_trouble.ended()
            item.parcel = encode(item.envelope, claim)

    def _send(self, load: Sequence[Item]) -> None:
        try:
            failures = self._client.ask_batch("send_message_batch", [self._entry(item) for item in load])
        except ServiceError as error:
            self._refused(load, error)
            return
        failed = {failure.index: failure for failure in failures}
        self._buffer.settle([item for index, item in enumerate(load) if index not in failed], None)
        for index, failure in failed.items():
            self._failed(load[index], failure)
        if not failed:
            self._trouble.ended()

    def _failed(self, item: Item, failure: Failure) -> None:
        self._trouble.began(f"a part of a batch was not taken ({failure.code})")
        if failure.is_final:
            self._buffer.settle([item], "too_large" if failure.is_too_long else "queue_full")
        elif self._client.address.is_fifo:
            self._is_down = True  # what is behind it may not overtake it

    def _refused(self, load: Sequence[Item], error: ServiceError) -> None:
        """Deal with a batch of which nothing was taken."""
        is_large = sum(_size(item) for item in load) > OLD_LIMIT_BYTES
        if not error.is_too_long:
            self._is_down = True
        elif is_large and self._limit_bytes > OLD_LIMIT_BYTES:
            self._limit_bytes = OLD_LIMIT_BYTES
            for item in load:
                item.parcel = None
            return
        elif len(load) > 1:
            for half in (load[: len(load) // 2], load[len(load) // 2 :]):
                self._send(half)
            return
        else:
            self._buffer.settle(load, "too_large")
        self._trouble.began(str(error))

    def _entry(self, item: Item) -> dict[str, Any]:
        parcel, envelope = item.parcel, item.envelope
        assert parcel is not None, "only what is packed is sent"
        entry: dict[str, Any] = {"MessageBody": parcel.body}
        if parcel.attributes:
            entry["MessageAttributes"] = attributes_of(parcel.attributes)
        if self._client.address.is_fifo:
            entry["MessageGroupId"] = group_of(envelope.key)
            entry["MessageDeduplicationId"] = group_of(envelope.id)
        return entry


def _pause(failures: int) -> float:
    """A pause that grows with the failures in a row; at random, so that many apps don't come back at once."""
    longest = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 16), _LONGEST_PAUSE_SECONDS)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - nothing here is a secret


def _size(item: Item) -> int:
    return 0 if item.parcel is None else item.parcel.size_bytes


def _loads(items: Sequence[Item], limit_bytes: int) -> Iterator[list[Item]]:
    """The items in batches, none of them larger than the limit."""
    load: list[Item] = []
    size_bytes = 0
    for item in items:
        if load and size_bytes + _size(item) > limit_bytes:
            yield load
            load, size_bytes = [], 0
        load.append(item)
        size_bytes += _size(item)
    if load:
        yield load
