"""Clients of brokers: whether they are installed."""

from __future__ import annotations

from importlib.util import find_spec

from shadow_mw.exceptions import MissingExtraError
from shadow_mw.queue_urls import is_kafka, is_sqs


def need_client(queue: str) -> None:
    """Make sure that the client of a broker is installed, without importing it.

    Raises:
        MissingExtraError: it is not.

    """
    if is_kafka(queue) and find_spec("confluent_kafka") is None:
        raise MissingExtraError("A Kafka queue", "kafka")
    if is_sqs(queue) and find_spec("boto3") is None:
        raise MissingExtraError("An SQS queue", "sqs")
