"""The app's end of `kafka:`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from shadow_mw.queue_urls import kafka_address
from shadow_mw.queues.kafka_letters import RawHeaders
from shadow_mw.queues.kafka_options import environment_options
from shadow_mw.queues.kafka_producer import KafkaProducer
from shadow_mw.records import Bucket, Envelope

#: What is sent one by one.
_ALONE = {"batch.num.messages": "1", "linger.ms": "0"}


class KafkaSender:
    """A sender to a topic of Kafka. Used on one event loop only.

    A broker refuses a whole batch as too large, also for what is small in it: so each message of such a batch
    is sent once more, alone.
    """

    def __init__(self, queue: str, *, options: Mapping[str, str] | None = None) -> None:
        """Name the topic, as in `kafka://broker:9092/topic`; nothing is started before something is sent.

        `options` are librdkafka's, and the environment's where none are given.

        Raises:
            SettingsError: an option is not the user's to set.

        """
        address = kafka_address(queue)
        chosen = environment_options() if options is None else options
        self._queue = queue
        self._producer = KafkaProducer(address.brokers, address.topic, chosen)
        self._alone = KafkaProducer(address.brokers, address.topic, {**chosen, **_ALONE})

    def __repr__(self) -> str:
        """Name the topic."""
        return f"KafkaSender({self._queue!r})"

    @property
    def problem(self) -> str:
        """Why nothing arrives, as a sentence; empty while all is well."""
        return self._producer.problem

    def send(self, envelope: Envelope, report: Callable[[Bucket | None], None]) -> None:
        """Take an envelope and bring it to the broker. Never blocks, never raises."""
        headers: RawHeaders = list(envelope.headers.items())

        def reported(bucket: Bucket | None) -> None:
            if bucket == "too_large":
                self._alone.produce(envelope.value, envelope.key, headers, report)
            else:
                report(bucket)

        self._producer.produce(envelope.value, envelope.key, headers, reported)

    async def aclose(self, seconds: float) -> None:
        """Bring what waits to the broker within so many seconds, report the rest as `queue_full`, and end."""
        deadline = time.monotonic() + seconds
        await self._producer.aclose(seconds)
        await self._alone.aclose(max(deadline - time.monotonic(), 0.0))
