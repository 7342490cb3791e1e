"""A stretch of a topic's past, to be asked again: read beside the workers, without a trace at the broker."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeAlias, cast
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from shadow_mw.exceptions import SettingsError
from shadow_mw.queue_urls import kafka_address
from shadow_mw.queues.kafka_health import KafkaHealth
from shadow_mw.queues.kafka_letters import HistoryLetter, envelope_of
from shadow_mw.queues.kafka_options import client, consumer_options, environment_options

_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.2
#: None after the timeout, which the types of the client leave out.
_Ends: TypeAlias = "tuple[int, int] | None"


class KafkaHistory:
    """Reads a topic from one moment to another, or to where it ended. Used on one event loop only."""

    def __init__(
        self,
        queue: str,
        *,
        since: float | None = None,
        until: float | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Name the topic and the stretch, in seconds of Unix time, the end not included.

        Raises:
            SettingsError: an option is not the user's to set, or librdkafka refused it.

        """
        address = kafka_address(queue)
        chosen = environment_options() if options is None else options
        told = {
            **consumer_options(address.brokers, chosen),
            "group.id": f"shadow_mw_history_{uuid4().hex}",
            "enable.partition.eof": "true",
        }
        self._queue = queue
        self._address = address
        self._since = since
        self._until = until
        self._health = KafkaHealth(f"reading the Kafka topic {address.topic}", address.brokers, address.topic)
        self._consumer = client(Consumer, told, chosen, error_cb=self._health.hear)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow_mw-kafka-history")
        self._stops: dict[int, int] = {}
        self._total: int | None = None
        self._line: deque[HistoryLetter] = deque()
        self._fetching: asyncio.Future[list[HistoryLetter]] | None = None
        self._is_stopping = False

    def __repr__(self) -> str:
        """Name the topic."""
        return f"KafkaHistory({self._queue!r}, since={self._since}, until={self._until})"

    @property
    def problem(self) -> str:
        """Why nothing comes, as a sentence; empty while all is well."""
        return self._health.problem

    @property
    def total(self) -> int | None:
        """How many letters there are at most; None before it is opened."""
        return self._total

    async def open(self) -> None:
        """Find the stretch; `take` does that too.

        Raises:
            SettingsError: there is no such topic, or no broker that tells.

        """
        if self._total is None:
            self._total = await asyncio.get_running_loop().run_in_executor(self._thread, self._find)

    async def take(self, limit: int) -> Sequence[HistoryLetter]:
        """The next letters, one to `limit`; none at the end. A cancelled call loses none."""
        await self.open()
        loop = asyncio.get_running_loop()
        while not self._line:
            if self._is_stopping or (self._fetching is None and not self._stops):
                return ()
            if self._fetching is None:
                self._fetching = loop.run_in_executor(self._thread, self._fetch, limit)
            self._line.extend(await asyncio.shield(self._fetching))
            self._fetching = None
        return [self._line.popleft() for _ in range(min(limit, len(self._line)))]

    def stop(self) -> None:
        """Take nothing more."""
        self._is_stopping = True

    async def aclose(self, seconds: float) -> None:
        """Leave the broker, within so many seconds."""
        self.stop()
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._consumer.close)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(closing, seconds)
        self._thread.shutdown(wait=False)

    def _find(self) -> int:
        try:
            found = self._consumer.list_topics(self._address.topic, timeout=_ANSWER_SECONDS)
            topic = found.topics[self._address.topic]
            return self._assign(list(topic.partitions)) if topic.error is None else self._fail(topic.error)
        except KafkaException as error:
            self._fail(error.args[0])

    def _fail(self, error: KafkaError) -> NoReturn:
        self._health.fail(error)
        raise SettingsError(f"SHADOW_QUEUE: {self._health.problem}") from None

    def _assign(self, numbers: Sequence[int]) -> int:
        ends = {number: self._ends(number) for number in numbers}
        starts = self._offsets(self._since, {number: start for number, (start, _) in ends.items()}, ends)
        stops = self._offsets(self._until, {number: end for number, (_, end) in ends.items()}, ends)
        self._stops = {number: stop for number, stop in stops.items() if starts[number] < stop}
        partitions = [TopicPartition(self._address.topic, number, starts[number]) for number in self._stops]
        self._consumer.assign(partitions)
        return sum(stop - starts[number] for number, stop in self._stops.items())

    def _ends(self, number: int) -> tuple[int, int]:
        partition = TopicPartition(self._address.topic, number)
        ends = cast(_Ends, self._consumer.get_watermark_offsets(partition, timeout=_ANSWER_SECONDS))
        if ends is None:
            self._fail(KafkaError(KafkaError.REQUEST_TIMED_OUT))
        return ends

    def _offsets(
        self, moment: float | None, without: dict[int, int], ends: Mapping[int, tuple[int, int]]
    ) -> dict[int, int]:
        """The offsets of the first messages from a moment on, at most the ends."""
        if moment is None or not ends:
            return without
        milliseconds = max(0, math.ceil(moment * 1000))
        asked = [TopicPartition(self._address.topic, number, milliseconds) for number in ends]
        found = self._consumer.offsets_for_times(asked, timeout=_ANSWER_SECONDS)
        return {
            each.partition: min(each.offset, ends[each.partition][1])
            if each.offset >= 0
            else ends[each.partition][1]
            for each in found
        }

    def _fetch(self, limit: int) -> list[HistoryLetter]:
        """At most so many letters, as soon as there is one; none at the end, or when it is stopped."""
        while self._stops and not self._is_stopping:
            if (first := self._consumer.poll(_POLL_SECONDS)) is None:
                continue
            messages = [first, *(self._consumer.consume(limit - 1, timeout=0) if limit > 1 else ())]
            if letters := [letter for message in messages if (letter := self._letter(message))]:
                return letters
        return []

    def _letter(self, message: Message) -> HistoryLetter | None:
        """The letter in a message; None where it is an error, or lies behind the stretch."""
        number, offset = message.partition() or 0, message.offset() or 0
        if (error := message.error()) is not None:
            self._health.hear(error)
            if error.name() == "_PARTITION_EOF":
                self._end(number)
            return None
        self._health.recover()
        stop = self._stops.get(number, 0)
        if offset >= stop - 1:
            self._end(number)
        return HistoryLetter(envelope_of(message)) if offset < stop else None

    def _end(self, number: int) -> None:
        if self._stops.pop(number, None) is not None:
            self._consumer.pause([TopicPartition(self._address.topic, number)])
