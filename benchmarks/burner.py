"""What a model that burns all CPU beside production costs production.

    python benchmarks/burner.py [--rounds N] [--seconds S] [--rate R] [--json FILE]

The FastAPI app of `production.py` is asked at a constant rate: bare; mirrored to a `python:` target that
never answers and burns in as many processes as the machine has cores; and bare beside the same loops in
processes at normal priority. Every round visits all variants in shuffled order, and who does not burn then is
stopped; ratios are taken within a round. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from figures import Spread, quantile
from machine import machine
from model import request_bodies
from processes import Child, ServerChild, children, cpu_seconds, stop_all

_HERE = Path(__file__).parent
_CORES = os.cpu_count() or 1
_START_SECONDS = 120.0
_CONNECTIONS = 16
_BURNING_SECONDS = 0.2
"""What a process has used beyond its start once it burns."""
_SETTINGS = {
    "SHADOW_TARGETS": "burning=python:burning_model:predict",
    "SHADOW_ROUTES": "POST /predict",
    "SHADOW_REPLICAS": str(_CORES),
    "SHADOW_MAX_CONCURRENCY": str(_CORES),
    # Its calls burn for as long as the benchmark takes: what is measured is the burning, not its end.
    "SHADOW_TIMEOUT_SECONDS": "3600",
    "SHADOW_DRAIN_SECONDS": "0.5",
    "SHADOW_STORE": "none",
    "PYTHONPATH": str(_HERE),
}


@dataclass(frozen=True)
class Turn:
    """One variant in one round."""

    p50_ms: float
    p99_ms: float
    errors: int
    burnt_cores: float
    """What the burning took meanwhile, in cores."""


class Sides:
    """The servers of one run, and who burns beside each."""

    def __init__(self, runtime: str) -> None:
        """Start the servers."""
        self._bare = ServerChild("production.py", "bare")
        settings = {**_SETTINGS, "XDG_RUNTIME_DIR": runtime}
        self._mirrored = ServerChild("production.py", "mirrored", environment=settings)
        self._load = Child("load.py")
        self._models: list[int] = []

    def close(self) -> None:
        """End them, burning models too."""
        self._tell(signal.SIGCONT)
        stop_all([self._bare, self._mirrored, self._load])

    def warm_up(self) -> None:
        """Have every model begin to burn, then stop them."""
        for server in (self._bare, self._mirrored):
            server.get("/")
        deadline = time.monotonic() + _START_SECONDS
        while not self._all_burn():
            if time.monotonic() > deadline:
                raise SystemExit(f"the models do not burn:\n{self._mirrored.errors()}")
            _ask(self._mirrored.port)
            time.sleep(0.2)
        self._tell(signal.SIGSTOP)

    @property
    def variants(self) -> Mapping[str, Callable[[], AbstractContextManager[tuple[int, list[int]]]]]:
        """By its name, what yields the port to ask and the processes that burn."""
        return {
            "bare": self._alone,
            "bare-again": self._alone,
            "burning models": self._beside_models,
            "the same at normal priority": self._beside_others,
        }

    def turn(self, name: str, rate: float, seconds: float) -> Turn:
        """Load on one variant."""
        with self.variants[name]() as (port, burning):
            used, began = sum(map(cpu_seconds, burning)), time.monotonic()
            order = {"port": port, "rate": rate, "seconds": seconds, "connections": _CONNECTIONS}
            result = self._load.ask(order)
            burnt_cores = (sum(map(cpu_seconds, burning)) - used) / (time.monotonic() - began)
        return Turn(
            p50_ms=quantile(result["latencies"], 0.50) * 1e3,
            p99_ms=quantile(result["latencies"], 0.99) * 1e3,
            errors=result["errors"],
            burnt_cores=burnt_cores,
        )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[tuple[int, list[int]]]:
        yield self._bare.port, []

    @contextlib.contextmanager
    def _beside_models(self) -> Iterator[tuple[int, list[int]]]:
        self._tell(signal.SIGCONT)
        try:
            yield self._mirrored.port, self._models
        finally:
            self._tell(signal.SIGSTOP)

    @contextlib.contextmanager
    def _beside_others(self) -> Iterator[tuple[int, list[int]]]:
        command = [sys.executable, str(_HERE / "burning_model.py")]
        started = [subprocess.Popen(command) for _ in range(_CORES)]
        try:
            yield self._bare.port, [process.pid for process in started]
        finally:
            for process in started:
                process.kill()
                process.wait()

    def _all_burn(self) -> bool:
        found = [pid for mirror in children(self._mirrored.process.pid) for pid in children(mirror)]
        if len(found) < _CORES:
            return False
        before = list(map(cpu_seconds, found))
        time.sleep(2.0)
        self._models = found
        return all(
            cpu_seconds(pid) - used > _BURNING_SECONDS for pid, used in zip(found, before, strict=True)
        )

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._models:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)


def _ask(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/predict", request_bodies(1)[0], {"content-type": "application/json"})
    connection.getresponse().read()
    connection.close()


def measure(rounds: int, seconds: float, rate: float) -> dict[str, Any]:
    """All rounds, as medians with quartiles."""
    order = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="smw", dir="/tmp") as runtime:
        sides = Sides(runtime)
        try:
            sides.warm_up()
            names = list(sides.variants)
            done = [
                {name: sides.turn(name, rate, seconds) for name in order.sample(names, len(names))}
                for _ in range(rounds)
            ]
        finally:
            sides.close()
    return {name: _summary(name, done) for name in names}


def _summary(name: str, rounds: list[dict[str, Turn]]) -> dict[str, Any]:
    pairs = [(one[name], one["bare"]) for one in rounds]
    spreads = {
        "p50_ms": Spread.of(turn.p50_ms for turn, _ in pairs),
        "p99_ms": Spread.of(turn.p99_ms for turn, _ in pairs),
        "p50_ratio": Spread.of(turn.p50_ms / bare.p50_ms for turn, bare in pairs),
        "p99_ratio": Spread.of(turn.p99_ms / bare.p99_ms for turn, bare in pairs),
        "burnt_cores": Spread.of(turn.burnt_cores for turn, _ in pairs),
    }
    return {
        **{what: asdict(spread) for what, spread in spreads.items()},
        "errors": sum(turn.errors for turn, _ in pairs),
    }


def main() -> None:
    """Measure, and print a line a variant."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--json", type=Path, help="where to put all figures")
    given = parser.parse_args()
    variants = measure(given.rounds, given.seconds, given.rate)
    for name, figures in variants.items():
        told = {
            what: format(Spread(**figures[what]), ".2f")
            for what in ("p50_ms", "p50_ratio", "p99_ms", "p99_ratio", "burnt_cores")
        }
        line = "  ".join(f"{what} {text}" for what, text in told.items())
        print(f"{name:<28} {line}  errors {figures['errors']}")
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), "variants": variants}, indent=1))


if __name__ == "__main__":
    main()
