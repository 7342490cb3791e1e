"""A real broker of Kafka that tests start for themselves: one node, on loopback, in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

HOW = "no Kafka is installed; to run this: .ci/install-brokers"
#: Generous: the machine may be busy, and a JVM is never in a hurry.
DEADLINE_SECONDS = 60.0
_CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk"
_JAVA = ("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_QUIET = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",)
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listener}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
auto.create.topics.enable=false
broker.heartbeat.interval.ms=300
broker.session.timeout.ms=1500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.threads=1
message.max.bytes=1048588
num.io.threads=2
num.network.threads=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
"""


def jars() -> Path | None:
    """The folder of Kafka's jars, where it is installed and Java too."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folders = sorted((cache / "shadow_mw").glob("kafka-*"))
    return folders[-1] if folders and shutil.which("java") else None


class Broker:
    """One node, which can be killed, frozen and started again on the same ports and data."""

    def __init__(self, folder: Path, listener: str = "", more: str = "") -> None:
        """Format the node's data; nothing runs before `start`.

        A `listener` stands beside the plain one, and lines of `more` are further properties.
        """
        found = jars()
        assert found is not None, HOW
        self._classes = f"{found}/*"
        self._folder = folder
        self._log = folder / "log"
        self.port, controller = free_ports(2)
        self._properties = folder / "server.properties"
        places = {"port": self.port, "controller": controller, "folder": folder}
        beside = f",{listener}" if listener else ""
        self._properties.write_text(_PROPERTIES.format(**places, listener=beside) + more)
        self._process: subprocess.Popen[bytes] | None = None
        words = ("kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(self._properties))
        done = subprocess.run(
            [*_JAVA, *_QUIET, "-cp", self._classes, *words],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def queue(self, topic: str) -> str:
        return f"kafka://{self.address}/{topic}"

    def launch(self) -> None:
        """Start it without waiting until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_JAVA, *_QUIET, "-cp", self._classes, "kafka.Kafka", str(self._properties)],
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> None:
        self.launch()
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        until(self._answers, lambda: f"an answer of the broker: {self._log.read_text()[-2000:]}")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-2000:]
        admin = AdminClient({"bootstrap.servers": self.address}, logger=Silence())
        try:
            return bool(admin.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def kill(self) -> None:
        """End it as a crash of its machine would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Freeze it: connections stay open and nothing is said."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def cont(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def make_topic(self, name: str, partitions: int = 1, **options: str) -> str:
        """Make a topic; options are written with underscores for dots."""
        config = {option.replace("_", "."): value for option, value in options.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
        admin = self._admin()  # its answers end with it
        admin.create_topics([topic])[name].result(DEADLINE_SECONDS)
        until(lambda: self._partitions(name) == partitions, f"topic {name}")
        return name

    def new_topic(self, partitions: int = 1, **options: str) -> str:
        """Make a topic that no other test knows."""
        return self.make_topic(f"t{os.urandom(6).hex()}", partitions, **options)

    def delete_topic(self, name: str) -> None:
        admin = self._admin()
        admin.delete_topics([name])[name].result(DEADLINE_SECONDS)
        until(lambda: self._partitions(name) == 0, f"topic {name} gone")

    def contents(self, topic: str) -> list[Message]:
        """Everything that lies in a topic now, by partition and offset."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": "contents",
                "enable.auto.commit": "false",
            },
            logger=Silence(),
        )
        found: list[Message] = []
        for number in range(self._partitions(topic)):
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=DEADLINE_SECONDS)
            consumer.assign([TopicPartition(topic, number, 0)])
            last = -1
            deadline = time.monotonic() + DEADLINE_SECONDS
            while last < end - 1:
                assert time.monotonic() < deadline
                message = consumer.poll(0.2)
                if message is not None and message.error() is None:
                    last = message.offset()
                    found.append(message)
        consumer.close()
        return found

    def ends(self, topic: str) -> list[int]:
        """The offsets behind the last messages, by partition."""
        asked = {"bootstrap.servers": self.address, "group.id": "ends"}
        consumer = Consumer(asked, logger=Silence())
        try:
            return [
                consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=DEADLINE_SECONDS)[1]
                for number in range(self._partitions(topic))
            ]
        finally:
            consumer.close()

    def committed(self, topic: str, *, partition: int = 0, group: str = "") -> int | None:
        """The offset up to which a group, by default that of the topic's name, has acknowledged, or None."""
        asked = {"bootstrap.servers": self.address, "group.id": group or topic}
        consumer = Consumer(asked, logger=Silence())
        [found] = consumer.committed([TopicPartition(topic, partition)], timeout=DEADLINE_SECONDS)
        consumer.close()
        return found.offset if found.offset >= 0 else None

    def members(self, group: str) -> int:
        """How many workers a group has, as the broker sees it."""
        admin = self._admin()  # its answers end with it
        try:
            return len(admin.describe_consumer_groups([group])[group].result(DEADLINE_SECONDS).members)
        except KafkaException:  # the first member is still looking for its coordinator
            return 0

    def put(self, topic: str, value: bytes | None, key: bytes | None = None, **more: Any) -> None:
        """Lay a message into a topic, as any program may."""
        producer = Producer({"bootstrap.servers": self.address}, logger=Silence())
        errors: list[Any] = []
        producer.produce(topic, value, key, on_delivery=lambda error, _: errors.append(error), **more)
        producer.flush(DEADLINE_SECONDS)
        assert errors == [None]

    def put_transaction(self, topic: str, count: int) -> None:
        """Lay messages into a topic, behind which the broker writes a mark that nobody reads."""
        told = {"bootstrap.servers": self.address, "transactional.id": topic}
        producer = Producer(told, logger=Silence())
        producer.init_transactions(DEADLINE_SECONDS)
        producer.begin_transaction()
        for _ in range(count):
            producer.produce(topic, b"value")
        producer.commit_transaction(DEADLINE_SECONDS)
        until(lambda: self.ends(topic) == [count + 1], "the mark behind the messages")

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address}, logger=Silence())

    def _partitions(self, topic: str) -> int:
        found = self._admin().list_topics(topic, timeout=DEADLINE_SECONDS).topics[topic]
        return 0 if found.error is not None else len(found.partitions)


class Silence:
    """Takes the log lines of a test's own clients."""

    def log(self, *_: object) -> None:
        pass


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def until(done: Callable[[], Any], what: Callable[[], object] | str) -> Any:
    """Ask an outside process again and again until it says something; fails at a deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if answer := done():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE_SECONDS:g} s: {what if isinstance(what, str) else what()}")


async def soon(done: Callable[[], Any], what: Callable[[], object] | str) -> Any:
    """As `until`, while the loop goes on."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if answer := done():
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE_SECONDS:g} s: {what if isinstance(what, str) else what()}")


_Kind = TypeVar("_Kind", bound=Broker)


def running(kind: type[_Kind]) -> Iterator[_Kind]:
    """The inside of a fixture: a broker of this kind that runs until its tests have ended."""
    if jars() is None:
        pytest.skip(HOW)
    with tempfile.TemporaryDirectory(prefix="smwk", dir="/tmp") as folder:
        broker = kind(Path(folder))
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()
