"""The partitions that a worker has now: their books, and what the broker is told and asked of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

from confluent_kafka import Consumer, KafkaError, TopicPartition

from shadow_mw.queues.kafka_letters import Ledger

#: None after the timeout, which the types of the client leave out.
_Ends: TypeAlias = "tuple[int, int] | None"
#: All questions of one round together; what is left is asked in the next.
_ROUND_SECONDS = 1.0


class KafkaAssignment:
    """The books of the partitions of one topic. Kept on the reader's thread; `lag` may be read anywhere."""

    def __init__(self, topic: str, *, is_from_end: bool) -> None:
        """Begin without partitions; `is_from_end` where a new group leaves out what is there already."""
        self.ledgers: dict[int, Ledger] = {}
        self.lag: int | None = None
        self.open_commits = 0
        self._topic = topic
        self._is_from_end = is_from_end

    def __repr__(self) -> str:
        """The books."""
        return f"KafkaAssignment({self._topic!r}, {list(self.ledgers.values())!r})"

    def add(self, consumer: Consumer, numbers: Iterable[int]) -> None:
        """Take partitions, and note where they end before anything is fetched from them."""
        added = [Ledger(number) for number in numbers]
        self.ledgers.update((ledger.partition, ledger) for ledger in added)
        self._ask_ends(consumer, added)

    def remove(self, numbers: Iterable[int]) -> list[Ledger]:
        """The books of partitions that are to be given up."""
        return [self.ledgers.pop(number) for number in numbers if number in self.ledgers]

    def settle(self) -> None:
        """Go on in all partitions to the first letter that is not acknowledged."""
        for ledger in self.ledgers.values():
            ledger.settle()

    def commit(self, consumer: Consumer, ledgers: Iterable[Ledger]) -> None:
        """Tell the broker how far all is acknowledged, without waiting for its answer."""
        news = [ledger for ledger in ledgers if ledger.has_news]
        offsets = [
            TopicPartition(self._topic, ledger.partition, ledger.position)
            for ledger in news
            if ledger.position is not None
        ]
        if offsets:
            consumer.commit(offsets=offsets, asynchronous=True)
            self.open_commits += 1
            for ledger in news:
                ledger.told = ledger.position

    def committed(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Take the answer to a commit; what the broker refused it is told again."""
        self.open_commits -= 1
        for partition in partitions:
            ledger = self.ledgers.get(partition.partition)
            if ledger is not None and (error is not None or partition.error is not None):
                ledger.told = None

    def look(self, consumer: Consumer) -> bool:
        """Find out what is left in the partitions; False where the broker does not answer.

        Raises:
            KafkaException: the broker refuses.

        """
        unknown = [ledger for ledger in self.ledgers.values() if ledger.position is None]
        oldest_first = sorted(self.ledgers.values(), key=lambda ledger: ledger.asked_at)
        is_answered = self._ask_ends(consumer, oldest_first)
        if unknown and is_answered:
            self._ask_positions(consumer, unknown)
        lags = [ledger.lag for ledger in self.ledgers.values()]
        known = [lag for lag in lags if lag is not None]
        self.lag = sum(known) if len(known) == len(lags) else None
        return is_answered

    def _ask_ends(self, consumer: Consumer, ledgers: Iterable[Ledger]) -> bool:
        deadline = time.monotonic() + _ROUND_SECONDS
        for ledger in ledgers:
            left = deadline - time.monotonic()
            if left <= 0:
                return True
            ends = cast(_Ends, consumer.get_watermark_offsets(self._partition(ledger), timeout=left))
            if ends is None:
                return False
            ledger.asked_at = time.monotonic()
            ledger.ends_at(*ends)
        return True

    def _ask_positions(self, consumer: Consumer, ledgers: Sequence[Ledger]) -> None:
        asked = [self._partition(ledger) for ledger in ledgers]
        for ledger, found in zip(ledgers, consumer.committed(asked, timeout=_ROUND_SECONDS), strict=True):
            default = ledger.end if self._is_from_end else ledger.start
            if found.error is None and default is not None:
                ledger.starts_at(max(found.offset, ledger.start or 0) if found.offset >= 0 else default)

    def _partition(self, ledger: Ledger) -> TopicPartition:
        return TopicPartition(self._topic, ledger.partition)
