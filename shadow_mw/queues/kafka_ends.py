"""Where partitions start and end, asked over a connection of its own.

On the consumer's, an answer would wait for the fetch before it, which waits for a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, wait
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec

from shadow_mw.queues.kafka_options import client

#: A broker that has said nothing for so long is taken for one that says nothing.
_ANSWER_SECONDS = 3.0


class KafkaEnds:
    """Asks a broker about the partitions of one topic, one question at a time. Used on one thread."""

    def __init__(self, topic: str, told: Mapping[str, Any], options: Mapping[str, str]) -> None:
        """Take the options of an admin client, which is made for the first question."""
        self._topic = topic
        self._told = told
        self._options = options
        self._client: AdminClient | None = None
        self._starts: dict[int, Future[ListOffsetsResultInfo]] = {}
        self._ends: dict[int, Future[ListOffsetsResultInfo]] = {}

    def __repr__(self) -> str:
        """What is asked."""
        return f"KafkaEnds({self._topic!r}, asked={sorted(self._ends)})"

    @property
    def is_asked(self) -> bool:
        """True while a question is open."""
        return bool(self._ends)

    @property
    def is_answered(self) -> bool:
        """True where `answer` does not wait."""
        return all(future.done() for future in (*self._starts.values(), *self._ends.values()))

    def ask(self, numbers: Iterable[int], *, starts_of: Iterable[int]) -> None:
        """Ask where these partitions end, and where those start; an open question is forgotten."""
        if self._client is None:
            self._client = client(AdminClient, self._told, self._options)
        self._ends = self._asked(self._client, numbers, OffsetSpec.latest())
        self._starts = self._asked(self._client, starts_of, OffsetSpec.earliest())

    def answer(self) -> tuple[dict[int, int], dict[int, int]]:
        """Starts and ends by partition; waits for them if it must.

        Raises:
            KafkaException: there is no answer, or it is an error.

        """
        starts, ends, self._starts, self._ends = self._starts, self._ends, {}, {}
        wait((*starts.values(), *ends.values()), 2 * _ANSWER_SECONDS)
        return _offsets(starts), _offsets(ends)

    def close(self) -> None:
        """Give the connection back; an open question is forgotten."""
        self._starts, self._ends, self._client = {}, {}, None

    def _asked(
        self, asking: AdminClient, numbers: Iterable[int], spec: OffsetSpec
    ) -> dict[int, Future[ListOffsetsResultInfo]]:
        request = {TopicPartition(self._topic, number): spec for number in numbers}
        if not request:
            return {}
        futures = asking.list_offsets(request, request_timeout=_ANSWER_SECONDS)
        return {partition.partition: future for partition, future in futures.items()}


def _offsets(futures: Mapping[int, Future[ListOffsetsResultInfo]]) -> dict[int, int]:
    offsets = {number: future.result(0).offset for number, future in futures.items()}
    if min(offsets.values(), default=0) < 0:  # how the client says that the time is up
        raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT))
    return offsets
