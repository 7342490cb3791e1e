"""The topic of the messages that no worker can read."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping

from shadow_mw.queue_urls import KafkaAddress
from shadow_mw.queues.kafka_letters import KafkaLetter, RawHeaders, place, raw_headers
from shadow_mw.queues.kafka_producer import KafkaProducer
from shadow_mw.records import Bucket

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_MOST_REASON_CHARS = 1000
#: The broker decides what is too large, not the default of a client that may not even have sent it.
_OPTIONS = {"message.max.bytes": "1000000000"}


class KafkaDeadLetters:
    """Brings letters to the topic of the dead ones, however long it takes. Used on one loop only."""

    def __init__(self, address: KafkaAddress, topic: str, options: Mapping[str, str]) -> None:
        """Name the `topic`; nothing is started before a letter is rejected."""
        self._topic = topic
        self._producer = KafkaProducer(address.brokers, topic, {**_OPTIONS, **options})
        self._waiting: dict[KafkaLetter, float] = {}
        self._failed: set[KafkaLetter] = set()
        self._is_closing = False

    def __repr__(self) -> str:
        """Topic and how many wait."""
        return f"KafkaDeadLetters({self._topic!r}, waiting={len(self._waiting)})"

    @property
    def problem(self) -> str:
        """Why a rejected letter is not safe yet, as a sentence; empty while all is well."""
        if not self._failed and not (self._waiting and self._producer.problem):
            return ""
        reason = self._producer.problem or "it is tried again"
        return (
            f"rejected letters can't be kept in the topic {self._topic} ({len(self._waiting)} wait): {reason}"
        )

    def put(self, letter: KafkaLetter, reason: str) -> None:
        """Keep a letter with the reason, unchanged but for headers that say where it comes from."""
        self._waiting[letter] = _FIRST_PAUSE_SECONDS
        self._send(letter, reason, letter.message.value())

    async def aclose(self, seconds: float) -> None:
        """Keep what waits within so many seconds; what is left stays where it was."""
        self._is_closing = True
        await self._producer.aclose(seconds)

    def _send(self, letter: KafkaLetter, reason: str, value: bytes | None) -> None:
        if letter.is_withdrawn or self._is_closing:
            self._forget(letter)
            return

        report = functools.partial(self._sent, letter, reason, value)
        self._producer.produce(value, letter.message.key(), _headers(letter, reason), report)

    def _sent(self, letter: KafkaLetter, reason: str, value: bytes | None, bucket: Bucket | None) -> None:
        if bucket is None:
            self._forget(letter)
            letter.is_done = True
        elif bucket == "too_large" and value:
            # Its place is in the headers: better than a partition that stands still for ever.
            self._send(letter, f"{reason}; too large for {self._topic}, see {place(letter.message)}", b"")
        elif self._is_closing:
            self._forget(letter)
        else:
            self._failed.add(letter)
            pause = self._waiting[letter]
            self._waiting[letter] = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            asyncio.get_running_loop().call_later(pause, self._send, letter, reason, value)

    def _forget(self, letter: KafkaLetter) -> None:
        self._waiting.pop(letter, None)
        self._failed.discard(letter)


def _headers(letter: KafkaLetter, reason: str) -> RawHeaders:
    message = letter.message
    return [
        *raw_headers(message),
        ("shadow_mw_dead_reason", reason[:_MOST_REASON_CHARS]),
        ("shadow_mw_dead_topic", message.topic()),
        ("shadow_mw_dead_partition", str(message.partition())),
        ("shadow_mw_dead_offset", str(message.offset())),
    ]
