"""librdkafka's own mock of a cluster, with the parts of it that its Python client does not show."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

import confluent_kafka
from broker import Broker

HOW = "this build of confluent-kafka brings no librdkafka of its own; to run this: install its wheel"
PRODUCE = 0
#: Error codes of the protocol that a client is to try again after.
LEADER_NOT_AVAILABLE = 5
NOT_LEADER_OR_FOLLOWER = 6
NOT_ENOUGH_REPLICAS = 19
_EVERY_BROKER = -1


def library() -> Path | None:
    """The shared library in the wheel, which the client has loaded."""
    places = Path(confluent_kafka.__file__).parents[1].glob("confluent_kafka.libs/librdkafka-*")
    return next(iter(sorted(places)), None)


class MockCluster(Broker):
    """So many brokers in this process, until the block ends; they listen on loopback."""

    def __init__(self, brokers: int = 1) -> None:
        found = library()
        assert found is not None, HOW
        self._rdkafka = _typed(ctypes.CDLL(str(found)))
        words = ctypes.create_string_buffer(512)
        self._handle = self._rdkafka.rd_kafka_new(0, self._rdkafka.rd_kafka_conf_new(), words, len(words))
        assert self._handle, words.value
        self._cluster = self._rdkafka.rd_kafka_mock_cluster_new(self._handle, brokers)

    @property
    def address(self) -> str:
        told: bytes = self._rdkafka.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return told.decode()

    def make_topic(self, name: str, partitions: int = 1, **_: str) -> str:
        self._must(self._rdkafka.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1))
        return name

    def new_topic(self, partitions: int = 1, **_: str) -> str:
        return self.make_topic(f"t{os.urandom(6).hex()}", partitions)

    def take_seconds(self, seconds: float) -> None:
        """Let every answer of every broker take so long."""
        milliseconds = int(seconds * 1000)
        self._must(self._rdkafka.rd_kafka_mock_broker_set_rtt(self._cluster, _EVERY_BROKER, milliseconds))

    def fail(self, request: int, errors: Sequence[int]) -> None:
        """Answer the next requests of a kind with these errors, one each."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._rdkafka.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(errors), codes)

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Make another broker the leader; it is told nobody."""
        self._must(
            self._rdkafka.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, broker)
        )

    def __enter__(self) -> MockCluster:  # noqa: PYI034 (typing.Self came with Python 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        self._rdkafka.rd_kafka_mock_cluster_destroy(self._cluster)
        self._rdkafka.rd_kafka_destroy(self._handle)

    @staticmethod
    def _must(code: int) -> None:
        assert code == 0, code


def _typed(rdkafka: ctypes.CDLL) -> ctypes.CDLL:
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    told = {
        "rd_kafka_conf_new": (pointer,),
        "rd_kafka_new": (pointer, number, pointer, text, ctypes.c_size_t),
        "rd_kafka_destroy": (None, pointer),
        "rd_kafka_mock_cluster_new": (pointer, pointer, number),
        "rd_kafka_mock_cluster_destroy": (None, pointer),
        "rd_kafka_mock_cluster_bootstraps": (text, pointer),
        "rd_kafka_mock_topic_create": (number, pointer, text, number, number),
        "rd_kafka_mock_broker_set_rtt": (number, pointer, ctypes.c_int32, number),
        "rd_kafka_mock_push_request_errors_array": (None, pointer, ctypes.c_int16, ctypes.c_size_t, pointer),
        "rd_kafka_mock_partition_set_leader": (number, pointer, text, ctypes.c_int32, ctypes.c_int32),
    }
    for name, (result, *arguments) in told.items():
        function = getattr(rdkafka, name)
        function.restype, function.argtypes = result, arguments
    return rdkafka
