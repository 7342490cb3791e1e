"""One producer of Kafka and its thread, for exchanges and for dead letters."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from shadow_mw.boundary import Guard
from shadow_mw.exceptions import SettingsError
from shadow_mw.queues.kafka_health import KafkaHealth
from shadow_mw.queues.kafka_letters import RawHeaders
from shadow_mw.queues.kafka_options import client, producer_options
from shadow_mw.records import Bucket

Report: TypeAlias = Callable[[Bucket | None], None]

_POLL_SECONDS = 0.1
#: The loop has its other work to do between so many reports.
_MOST_AT_ONCE = 256
#: For what takes no time unless the machine stands still.
_GRACE_SECONDS = 2.0
_LOOK_SECONDS = 2.0
_SILENT_SECONDS = 5.0
_MEND_SECONDS = 10.0
_PURGED = ("_PURGE_QUEUE", "_PURGE_INFLIGHT")


class KafkaProducer:
    """Sends to one topic. Used on one loop only, and made before no fork: its thread would not be copied."""

    def __init__(self, brokers: str, topic: str, options: Mapping[str, str]) -> None:
        """Name the topic; nothing is started before something is sent.

        Raises:
            SettingsError: an option is not the user's to set.

        """
        self._topic = topic
        self._options = options
        self._told = producer_options(brokers, options)
        self._health = KafkaHealth(f"sending to the Kafka topic {topic}", brokers, topic)
        self._guard = Guard(f"sending to the Kafka topic {topic}")
        self._client: Producer | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Event
        self._reports: deque[tuple[Report, Bucket | None]] = deque()
        self._is_due = False
        self._is_broken = False
        self._mend_at = 0.0
        self._outdated: deque[Producer] = deque()
        self._closes_at: float | None = None
        self._look_at = 0.0
        self._moved_at = 0.0

    def __repr__(self) -> str:
        """Topic and state, no option."""
        return f"KafkaProducer({self._topic!r}, problem={self.problem!r})"

    @property
    def problem(self) -> str:
        """Why nothing arrives, as a sentence; empty while all is well."""
        return self._health.problem

    def produce(
        self, value: bytes | None, key: str | bytes | None, headers: RawHeaders, report: Report
    ) -> None:
        """Take a message. Never blocks, never raises; `report` is as in `Sender.send`."""
        if self._closes_at is not None:
            self._refuse(report, "queue_full")
            return
        try:
            producer = self._client or self._start()
            producer.produce(
                self._topic,
                value,
                key,
                headers=headers,
                on_delivery=functools.partial(self._delivered, report),
            )
        except BufferError:
            self._health.say("full", "the broker does not take what comes, and the reserve is full")
            self._refuse(report, "queue_full")
        except KafkaException as error:
            self._refuse(report, self._bucket(error.args[0]))
        except (SettingsError, TypeError, ValueError) as error:
            self._health.say(type(error).__name__, str(error))
            self._refuse(report, "queue_full")

    async def aclose(self, seconds: float) -> None:
        """Send what waits within so many seconds, report the rest as `queue_full`, and end the thread."""
        is_first = self._closes_at is None
        if is_first:
            self._closes_at = time.monotonic() + seconds
        if is_first and self._thread is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), seconds + 2 * _GRACE_SECONDS)
        while self._reports:
            self._hand_over()

    def _start(self) -> Producer:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._moved_at = time.monotonic()
        self._client = self._made()
        self._thread = threading.Thread(target=self._run, name="shadow_mw-kafka-sender", daemon=True)
        self._thread.start()
        return self._client

    def _made(self) -> Producer:
        return client(Producer, self._told, self._options, error_cb=self._heard)

    def _refuse(self, report: Report, bucket: Bucket | None) -> None:
        self._reports.append((report, bucket))
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._is_due = False
        for _ in range(min(len(self._reports), _MOST_AT_ONCE)):
            report, bucket = self._reports.popleft()
            report(bucket)
        if self._reports and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _run(self) -> None:
        while self._closes_at is None and not self._loop.is_closed():
            with self._guard:
                self._poll(_POLL_SECONDS)
                self._look()
                self._mend()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for a report
            self._end((self._closes_at or 0.0) - time.monotonic())
            self._loop.call_soon_threadsafe(self._ended.set)

    def _poll(self, seconds: float) -> None:
        """Let delivery reports come in, and wake the loop once for all of them."""
        assert self._client is not None
        try:
            self._client.poll(seconds)
        except KafkaException as error:  # a fatal one is raised here and not told to the callback
            self._heard(error.args[0])
        self._health.tick()
        self._tell()

    def _tell(self) -> None:
        if self._reports and not self._is_due:
            self._is_due = True
            self._loop.call_soon_threadsafe(self._hand_over)

    def _look(self) -> None:
        """See whether what waits gets on, and whether a topic that was missing is there now.

        librdkafka itself would look for the topic every five minutes, and time out after minutes.
        """
        assert self._client is not None
        now = time.monotonic()
        if not len(self._client):
            self._moved_at = now
        elif now - self._moved_at > _SILENT_SECONDS and not self._health.problem:
            self._health.is_silent()
        if self._health.is_topic_missing and now >= self._look_at:
            with contextlib.suppress(KafkaException):
                self._client.list_topics(self._topic, timeout=1.0)
            self._look_at = now + _LOOK_SECONDS

    def _mend(self) -> None:
        """Begin anew where an idempotent producer has lost its place, and would send nothing more."""
        if self._is_broken and time.monotonic() >= self._mend_at:
            self._is_broken = False
            self._mend_at = time.monotonic() + _MEND_SECONDS
            self._loop.call_soon_threadsafe(self._replace)
        while self._outdated:
            self._purge(self._outdated.popleft())

    def _replace(self) -> None:
        """Done on the loop, so that nothing is given to the old one any more when it is purged."""
        if self._client is not None and self._closes_at is None:
            self._outdated.append(self._client)
            self._client = self._made()

    def _end(self, seconds: float) -> None:
        assert self._client is not None
        self._client.flush(max(0.0, seconds))
        for each in (*self._outdated, self._client):
            self._purge(each)
        self._client = None

    def _purge(self, producer: Producer) -> None:
        if len(producer):
            producer.purge()
            producer.flush(_GRACE_SECONDS)
        self._tell()

    def _heard(self, error: KafkaError) -> None:
        self._is_broken = self._is_broken or error.fatal()
        self._health.hear(error)

    def _delivered(self, report: Report, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self._moved_at = time.monotonic()
            self._health.recover()
        self._reports.append((report, None if error is None else self._bucket(error)))

    def _bucket(self, error: KafkaError) -> Bucket:
        if error.name() == "MSG_SIZE_TOO_LARGE":
            return "too_large"
        if error.name() not in _PURGED:
            self._health.fail(error)
        self._is_broken = self._is_broken or error.name() == "_FATAL"
        return "queue_full"
