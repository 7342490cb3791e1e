"""The partitions that a worker has now: their books, and what the broker is told and asked of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from confluent_kafka import Consumer, KafkaError, TopicPartition

from shadow_mw.queues.kafka_ends import KafkaEnds
from shadow_mw.queues.kafka_letters import Ledger

_ANSWER_SECONDS = 1.0


class KafkaAssignment:
    """The books of the partitions of one topic. Kept on the reader's thread; `lag` may be read anywhere."""

    def __init__(self, topic: str, ends: KafkaEnds, *, is_from_end: bool) -> None:
        """Begin without partitions; `is_from_end` where a new group leaves out what is there already."""
        self.ledgers: dict[int, Ledger] = {}
        self.lag: int | None = None
        self._topic = topic
        self._ends = ends
        self._is_from_end = is_from_end

    def __repr__(self) -> str:
        """The books."""
        return f"KafkaAssignment({self._topic!r}, {list(self.ledgers.values())!r})"

    def add(self, numbers: Iterable[int]) -> None:
        """Take partitions, and note where they end before anything is fetched from them.

        Raises:
            KafkaException: that is not known, so that everything in them counts as repeated until it is.

        """
        added = {number: Ledger(number) for number in numbers}
        self.ledgers.update(added)
        if added:
            self._ends.ask(added, starts_of=added)
            self._take_ends()

    @property
    def is_told(self) -> bool:
        """True where the broker knows of everything that is acknowledged."""
        return all(ledger.is_told for ledger in self.ledgers.values())

    def remove(self, numbers: Iterable[int]) -> list[Ledger]:
        """The books of partitions that are to be given up."""
        return [self.ledgers.pop(number) for number in numbers if number in self.ledgers]

    def settle(self) -> None:
        """Go on in all partitions to the first letter that is not acknowledged."""
        for ledger in self.ledgers.values():
            ledger.settle()

    def commit(self, consumer: Consumer, ledgers: Iterable[Ledger]) -> None:
        """Tell the broker how far all is acknowledged, without waiting for its answer."""
        now = time.monotonic()
        offsets = [
            TopicPartition(self._topic, ledger.partition, news)
            for ledger in ledgers
            if (news := ledger.news(now)) is not None
        ]
        if offsets:
            consumer.commit(offsets=offsets, asynchronous=True)

    def committed(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Take the answer to a commit; what the broker refused it is told again."""
        for partition in partitions:
            ledger = self.ledgers.get(partition.partition)
            if ledger is not None and error is None and partition.error is None:
                ledger.confirmed = partition.offset

    def ask(self) -> None:
        """Ask what is left in the partitions, unless that is asked already."""
        if not self._ends.is_asked:
            self._ends.ask(self.ledgers, starts_of=self._unknown())

    def take_answer(self, consumer: Consumer) -> bool:
        """Take what the broker says to that; False while it has said nothing.

        Raises:
            KafkaException: it does not answer, or refuses.

        """
        if not self._ends.is_asked or not self._ends.is_answered:
            return False
        self._take_ends()
        if unknown := self._unknown():
            self._ask_positions(consumer, unknown)
        self._count()
        return True

    def close(self) -> None:
        """Give the connection back over which the broker is asked."""
        self._ends.close()

    def _unknown(self) -> list[int]:
        return [ledger.partition for ledger in self.ledgers.values() if ledger.position is None]

    def _take_ends(self) -> None:
        starts, ends = self._ends.answer()
        for number, end in ends.items():
            if number in self.ledgers:
                self.ledgers[number].ends_at(end)
        for number, start in starts.items():
            if number in self.ledgers:
                self.ledgers[number].start = start

    def _ask_positions(self, consumer: Consumer, numbers: Iterable[int]) -> None:
        asked = [TopicPartition(self._topic, number) for number in numbers]
        for found in consumer.committed(asked, timeout=_ANSWER_SECONDS):
            ledger = self.ledgers[found.partition]
            default = ledger.end if self._is_from_end else ledger.start
            if found.error is None and default is not None:
                ledger.starts_at(max(found.offset, ledger.start or 0) if found.offset >= 0 else default)

    def _count(self) -> None:
        lags = [ledger.lag for ledger in self.ledgers.values()]
        known = [lag for lag in lags if lag is not None]
        self.lag = sum(known) if len(known) == len(lags) else None
