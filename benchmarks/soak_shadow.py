"""The HTTP shadow of `soak.py`, whose answers can be bad, and the doors to it and to the collector."""

from __future__ import annotations

import contextlib
import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from model import CLASSES, predict

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from fault_proxy import FAULTS, HEALTHY, FaultProxy
from stub_shadow import Asked, Reply, StubShadow

_SLOW_SECONDS = 3.0
_HUGE_BYTES = 8 * 2**20
_BOMB = gzip.compress(b"0" * 32 * 2**20)
#: Where clouds hand out credentials; nobody may go there.
_AWAY = "http://169.254.169.254/latest/meta-data"

NETWORK = tuple(FAULTS)


def _well(asked: Asked) -> Reply:
    """Predict as production does, but for one label in a hundred."""
    features = json.loads(asked.body)["features"]
    probabilities = [1.0 / CLASSES] * CLASSES if int(abs(features[0]) * 1e6) % 100 == 0 else predict(features)
    return Reply(body=json.dumps({"probabilities": probabilities}).encode())


def _answer(asked: Asked) -> Reply:
    try:
        return _well(asked)
    except (ValueError, KeyError, TypeError):
        return Reply(status=422)


#: What it answers while one of these faults holds; None is the prediction, after a while.
ANSWERS: dict[str, Reply | None] = {
    "slow": None,
    "huge": Reply(body=b" " * _HUGE_BYTES),
    "bomb": Reply(headers={"content-encoding": "gzip"}, body=_BOMB),
    "header flood": Reply(headers={f"x-{number}": "." * 500 for number in range(1000)}),
    "500s": Reply(status=500),
    "429s": Reply(status=429, headers={"retry-after": "1"}),
    "redirects": Reply(status=307, headers={"location": _AWAY}, body=b""),
    "no HTTP": Reply(raw=b"\0\r\n" * 100),
    "other predictions": Reply(body=b'{"probabilities": "none today"}'),
}


class Door:
    """A proxy that may have a fault, or not be there."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self._proxy = FaultProxy(behind).__enter__()
        self.url = self._proxy.url

    @contextlib.contextmanager
    def suffering(self, fault: str) -> Iterator[None]:
        """Have one of the faults of the network for a block."""
        self._proxy.set(FAULTS[fault])
        try:
            yield
        finally:
            self._proxy.set(HEALTHY)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Have nobody listen for a block."""
        self._proxy.__exit__()
        try:
            yield
        finally:
            self._proxy = FaultProxy(self._behind, int(self.url.rpartition(":")[2])).__enter__()

    def close(self) -> None:
        self._proxy.__exit__()


class Doors:
    """The shadow and the two proxies in front of it and of the collector; they run until `close`."""

    def __init__(self, collector: str) -> None:
        self._stub = StubShadow(self._reply).__enter__()
        self._fault = ""
        self.shadow = Door(self._stub.url)
        self.collector = Door(collector)

    def _reply(self, asked: Asked) -> Reply:
        self._stub.asked.clear()  # what it keeps would fill our memory
        if self._fault == "slow":
            time.sleep(_SLOW_SECONDS)
        return ANSWERS.get(self._fault) or _answer(asked)

    @contextlib.contextmanager
    def answering(self, fault: str) -> Iterator[None]:
        """Have the shadow answer badly for a block."""
        self._fault = fault
        try:
            yield
        finally:
            self._fault = ""

    def close(self) -> None:
        self.shadow.close()
        self.collector.close()
        self._stub.__exit__()
