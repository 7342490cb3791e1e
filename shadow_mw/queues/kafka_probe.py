"""A look at a topic of Kafka, for `shadow-mw check`."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription

from shadow_mw.exceptions import SettingsError
from shadow_mw.queue_urls import kafka_address
from shadow_mw.queues.kafka_options import client, environment_options, producer_options

#: For what takes no time unless the machine stands still.
_GRACE_SECONDS = 1.0
_MISSING = ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC")
_SILENT = ("_TIMED_OUT", "_TRANSPORT", "_ALL_BROKERS_DOWN")


def partitions_of(queue: str, seconds: float) -> int:
    """How many partitions the topic of `kafka://broker:9092/topic` has; 0 where there is no such topic.

    A broker that makes topics by themselves makes none of this question.

    Raises:
        SettingsError: no broker answers within so many seconds, or lets us in, or an option is refused.

    """
    address = kafka_address(queue)
    options = environment_options()
    told = producer_options(address.brokers, options)
    asking = client(AdminClient, told, options, error_cb=lambda error: None)  # noqa: ARG005 the last one tells
    asked = asking.describe_topics(TopicCollection([address.topic]), request_timeout=seconds)
    future: Future[TopicDescription] = asked[address.topic]
    try:
        return len(future.result(seconds + _GRACE_SECONDS).partitions)
    except FutureTimeoutError:
        raise SettingsError(f"no broker answers at {address.brokers}") from None
    except KafkaException as error:
        name = error.args[0].name()
        if name in _MISSING:
            return 0
        raise SettingsError(
            f"no broker answers at {address.brokers}" if name in _SILENT else error.args[0].str()
        ) from None
