"""A real Kafka on loopback with everything around it: topics, what lies in them, workers and their store."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from processes import cpu_seconds, own_environment
from worker import exchange

from shadow_mw.envelope import Sealer
from shadow_mw.records import Envelope

sys.path.append(str(Path(__file__).parents[1] / "tests" / "kafka"))

_PRODUCER = {"linger.ms": "20", "compression.type": "lz4", "queue.buffering.max.messages": "1000000"}
_STOP_SECONDS = 30.0
_JOIN_SECONDS = 60.0
_WARM_UP = 100
_COMPARISON = b'{"kind":"comparison"'
_SEALER = Sealer(service="benchmark")


def missing() -> str:
    """What to do where no broker can be started; empty where one can."""
    from broker import HOW, jars

    return "" if jars() else HOW


@contextlib.contextmanager
def kafka() -> Iterator[Any]:
    """A broker that runs for a block."""
    from broker import Broker

    class Measured(Broker):
        def cpu_seconds(self) -> float:
            return cpu_seconds(self.pid)

    with tempfile.TemporaryDirectory(prefix="shadow-kafka-") as folder:
        broker = Measured(Path(folder))
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()


def sealed(count: int) -> list[Envelope]:
    """So many exchanges of now, as the app's side seals them."""
    return [_SEALER.exchange(exchange()) for _ in range(count)]


class Feeder:
    """Lays exchanges into a topic."""

    def __init__(self, address: str, topic: str) -> None:
        from confluent_kafka import Producer

        self._producer = Producer({"bootstrap.servers": address, **_PRODUCER})
        self._topic = topic
        self.sent = 0

    def put(self, envelopes: Sequence[Envelope]) -> None:
        """Send them without waiting."""
        for one in envelopes:
            self._producer.produce(self._topic, one.value, one.key, headers=list(one.headers.items()))
        self.sent += len(envelopes)
        self._producer.poll(0)

    def flush(self) -> None:
        left = self._producer.flush(_STOP_SECONDS)
        assert not left, f"{left} exchanges are not at the broker"


class Records:
    """Counts the comparisons in a store's folder as they are written, without reading a line twice."""

    def __init__(self, store: Path) -> None:
        self._hot = store / "hot"
        self._read: Counter[Path] = Counter()
        self._found: Counter[int] = Counter()

    def count(self) -> int:
        """All of them until now."""
        for path in self._hot.glob("*.jsonl"):
            if path.stat().st_size > self._read[path]:
                self._go_on(path)
        return self._found.total()

    def of(self, pid: int) -> int:
        """Those that one process has written, when they were counted last."""
        return self._found[pid]

    def _go_on(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._read[path])
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._read[path] += end
        self._found[int(path.stem.split("-")[-3])] += data.count(_COMPARISON, 0, end)


class WorkerProcess:
    """`shadow-mw worker`, as one would start it."""

    def __init__(self, environment: Mapping[str, str], cores: set[int], *, nice: int = 0) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 closed by reap()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "shadow_mw", "worker"],
            env=own_environment(environment),
            stderr=self._errors,
        )
        self.pid = self._process.pid
        os.sched_setaffinity(self.pid, cores)
        if nice:
            os.setpriority(os.PRIO_PROCESS, self.pid, nice)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def check(self) -> None:
        """Make sure that it runs."""
        if self._process.poll() is not None:
            raise SystemExit(f"a worker ended:\n{self._words()}")

    def stop(self) -> None:
        """Have it drain and end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def reap(self) -> None:
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _words(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")


@contextlib.contextmanager
def working(
    environment: Mapping[str, str], count: int, cores: Sequence[set[int]], *, nice: int = 0
) -> Iterator[list[WorkerProcess]]:
    """So many workers for a block, each on the cores of its place."""
    workers: list[WorkerProcess] = []
    try:
        for number in range(count):
            one = WorkerProcess(environment, cores[number % len(cores)], nice=nice)
            workers.append(one)
        yield workers
    finally:  # those too that were started before one could not be
        stop(workers)


def stop(workers: Sequence[WorkerProcess]) -> None:
    """End them side by side."""
    for one in workers:
        one.stop()
    for one in workers:
        one.reap()


def wait_for(records: Records, count: int, workers: Sequence[WorkerProcess], seconds: float) -> None:
    """Wait until so many records are written; a worker that ends meanwhile ends the benchmark."""
    deadline = time.monotonic() + seconds
    while records.count() < count:
        for one in workers:
            one.check()
        if time.monotonic() > deadline:
            raise SystemExit(f"{records.count()} of {count} exchanges compared within {seconds:g} s")
        time.sleep(0.02)


def warm(feeder: Feeder, records: Records, workers: Sequence[WorkerProcess], held: int = 0) -> None:
    """Send a little again and again until every worker has had some of it, and all is done."""
    deadline = time.monotonic() + _JOIN_SECONDS
    while not all(records.of(one.pid) for one in workers):
        if time.monotonic() > deadline:
            raise SystemExit("not every worker got something")
        feeder.put(sealed(_WARM_UP))
        feeder.flush()
        wait_for(records, held + feeder.sent, workers, _JOIN_SECONDS)


def told(broker: Any, topic: str, port: str, store: Path, *, spans: bool) -> dict[str, str]:
    """The environment of a worker whose shadow and collector are at `port`."""
    side = f"http://127.0.0.1:{port}"
    exporter = {"OTEL_EXPORTER_OTLP_ENDPOINT": side, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    return {
        "SHADOW_TARGETS": f"shadow={side}",
        "SHADOW_ROUTES": "POST /predict",
        "SHADOW_QUEUE": broker.queue(topic),
        "SHADOW_KAFKA_GROUP_ID": topic,
        "SHADOW_STORE": str(store),
        **(exporter if spans else {}),
    }
