"""Workers that are away for a while under steady traffic, and how soon nothing waits any more."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kafka_site import Feeder, Records, WorkerProcess, sealed, told, wait_for, warm, working
from stored import tally

_STEADY_SECONDS = 3.0
_PATIENCE_SECONDS = 300.0
#: What arrives in this time waits even where all is well: a batch is written once a second.
_USUAL_SECONDS = 1.5


class Traffic:
    """So many exchanges a second until the block ends."""

    def __init__(self, feeder: Feeder, rate: float) -> None:
        self._feeder = feeder
        self._rate = rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._feeder.flush()

    def _run(self) -> None:
        begun, before = time.monotonic(), self._feeder.sent
        while not self._ended.wait(0.05):
            due = int((time.monotonic() - begun) * self._rate) + before - self._feeder.sent
            self._feeder.put(sealed(due))


class Outage:
    """One broker on which workers are stopped and started again."""

    def __init__(self, broker: Any, port: str, rate: float, seconds: float) -> None:
        self._broker = broker
        self._port = port
        self._rate = rate
        self._seconds = seconds

    def measure(self, count: int, cores: Sequence[set[int]], partitions: int) -> Mapping[str, Any]:
        """What waited when `count` workers came back, and for how long."""
        with tempfile.TemporaryDirectory(prefix="shadow-store-") as folder:
            store = Path(folder) / "store"
            topic = self._broker.new_topic(partitions)
            feeder, records = Feeder(self._broker.address, topic), Records(store)
            environment = told(self._broker, topic, self._port, store, spans=True)
            with working(environment, count, cores) as workers:
                warm(feeder, records, workers)
                with Traffic(feeder, self._rate):
                    time.sleep(_STEADY_SECONDS)
                    for one in workers:
                        one.stop()
                    time.sleep(self._seconds)
                    waiting = feeder.sent - records.count()
                    with working(environment, count, cores) as again:
                        times = self._until_caught_up(feeder, records, again)
                        time.sleep(_STEADY_SECONDS)
                        steady = feeder.sent - records.count()
            with working(environment, 1, cores) as last:
                wait_for(records, feeder.sent, last, _PATIENCE_SECONDS)
            _check(store, feeder.sent)
        return {"workers": count, "waiting": waiting, **times, "steady": steady, "sent": feeder.sent}

    def _until_caught_up(
        self, feeder: Feeder, records: Records, workers: Sequence[WorkerProcess]
    ) -> dict[str, float]:
        begun, before = time.monotonic(), records.count()
        wait_for(records, before + 1, workers, _PATIENCE_SECONDS)
        started_seconds = time.monotonic() - begun
        while feeder.sent - records.count() > self._rate * _USUAL_SECONDS:
            wait_for(records, records.count() + 1, workers, _PATIENCE_SECONDS)
        return {"first_batch_seconds": started_seconds, "caught_up_seconds": time.monotonic() - begun}


def _check(store: Path, sent: int) -> None:
    found = tally(store)
    wanted = {"records": sent, "exchanges": sent, "eligible": sent, "compared": sent}
    if found != wanted:
        raise SystemExit(f"the store has {found}, and ought to have {wanted}")
