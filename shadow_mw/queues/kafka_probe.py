"""A look at a topic of Kafka, for `shadow-mw check`."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shadow_mw.exceptions import SettingsError
from shadow_mw.queue_urls import kafka_address
from shadow_mw.queues.kafka_options import client, environment_options, producer_options


def partitions_of(queue: str, seconds: float) -> int:
    """How many partitions the topic of `kafka://broker:9092/topic` has; 0 where there is no such topic.

    Raises:
        SettingsError: no broker answers within so many seconds, or lets us in, or an option is refused.

    """
    address = kafka_address(queue)
    options = environment_options()
    told = producer_options(address.brokers, options)
    asking = client(AdminClient, told, options, error_cb=lambda error: None)  # noqa: ARG005 the last one tells
    try:
        found = asking.list_topics(address.topic, timeout=seconds).topics[address.topic]
    except KafkaException as error:
        is_silent = error.args[0].name() in ("_TIMED_OUT", "_TRANSPORT")
        raise SettingsError(
            f"no broker answers at {address.brokers}" if is_silent else error.args[0].str()
        ) from None
    return 0 if found.error is not None else len(found.partitions)
