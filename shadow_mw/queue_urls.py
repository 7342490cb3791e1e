"""Queues by name: `process:`, `inline:`, `unix:///path`, `kafka://…` and `sqs://…`."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import msgspec

KAFKA = "kafka"
#: What follows is an option of librdkafka, with underscores for its dots.
KAFKA_PREFIX = "SHADOW_KAFKA_"
SQS = "sqs"
#: The kernel takes 107 bytes of path.
_LONGEST_SOCKET = len("unix://") + 107
_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?\Z")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}\Z")
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}(\.fifo)?\Z")
_REGION = re.compile(r"[a-z0-9-]{1,40}\Z")
_AMAZON = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?\Z")


class KafkaAddress(msgspec.Struct, frozen=True):
    """A topic and the brokers that know of it. Immutable."""

    brokers: str
    """As librdkafka's `bootstrap.servers` has them."""
    topic: str


class SQSAddress(msgspec.Struct, frozen=True):
    """A queue by its name in a region, or by its URL. Immutable."""

    region: str
    """Empty where a URL of another host than Amazon's says nothing of it."""
    name: str
    url: str = ""
    """Empty where the service has to be asked for it."""

    @property
    def is_fifo(self) -> bool:
        """True for a queue that keeps its order and removes duplicates."""
        return self.name.endswith(".fifo")


def is_broker(queue: str) -> bool:
    """True where the worker takes from a broker, on whatever host."""
    return is_kafka(queue) or is_sqs(queue)


def is_kafka(queue: str) -> bool:
    """True for a topic of Kafka."""
    return queue.startswith(f"{KAFKA}://")


def is_sqs(queue: str) -> bool:
    """True for a queue of SQS."""
    return queue.startswith((f"{SQS}://", "https://", "http://"))


def checked_queue(queue: str) -> str:
    """A queue that we know.

    Raises:
        ValueError: it is none; the message says how to write one.

    """
    if queue.rstrip(":") in ("inline", "process"):
        return queue.rstrip(":") + ":"
    if queue.startswith("unix:///") and len(queue) <= _LONGEST_SOCKET:
        return queue
    if is_kafka(queue):
        kafka_address(queue)
    elif is_sqs(queue):
        sqs_address(queue)
    else:
        raise ValueError(
            f"{queue!r} is not a queue: use process:, inline:, unix:///path/of.sock, "
            "kafka://BROKER:9092/TOPIC or sqs://REGION/NAME"
        )
    return queue


def kafka_address(queue: str) -> KafkaAddress:
    """Brokers and topic of `kafka://broker:9092,broker2:9092/topic`.

    Raises:
        ValueError: it is not written so.

    """
    brokers, _, topic = queue.removeprefix(f"{KAFKA}://").partition("/")
    if "@" in brokers:
        raise ValueError(
            "a kafka:// queue must not carry credentials: set SHADOW_KAFKA_SASL_USERNAME and "
            "SHADOW_KAFKA_SASL_PASSWORD"
        )
    if not all(_BROKER.match(broker) for broker in brokers.split(",")):
        raise ValueError(f"{queue!r} names no brokers: write kafka://BROKER:9092,BROKER2:9092/TOPIC")
    if not _TOPIC.match(topic) or topic in (".", ".."):
        raise ValueError(
            f"{queue!r} names no topic: write kafka://BROKER:9092/TOPIC, the topic of A-Z a-z 0-9 . _ -"
        )
    return KafkaAddress(brokers, topic)


def sqs_address(queue: str) -> SQSAddress:
    """Region and name of `sqs://region/name`, or of the queue's own URL.

    Raises:
        ValueError: it is written in neither way.

    """
    parts = urlsplit(queue)
    if parts.username or parts.password:
        raise ValueError("an SQS queue must not carry credentials: boto3 finds them by itself (AWS_*)")
    name = unquote(parts.path).rpartition("/")[2]
    if not _QUEUE_NAME.match(name) or parts.query or parts.fragment or not parts.hostname:
        raise ValueError(f"{queue!r} names no queue: write sqs://REGION/NAME, or the queue's URL")
    if parts.scheme == SQS:
        if not _REGION.match(parts.netloc) or parts.path.count("/") != 1:
            raise ValueError(f"{queue!r} is not sqs://REGION/NAME, as in sqs://eu-central-1/predictions")
        return SQSAddress(parts.netloc, name)
    match = _AMAZON.match(parts.hostname)
    return SQSAddress(match[1] if match else "", name, queue)
