"""What mirroring costs production: CPU a request and latency, against the same app without it.

    python benchmarks/overhead.py [--quick] [--rounds N] [--seconds S] [--rate R] [--json FILE]

Every variant in `variants.py` is a server process of its own, started once and kept warm. A round visits all
of them in a shuffled order, one at a time, with the same open-loop load; differences and ratios are taken
within a round, so that a noisy minute hits both sides. Loopback only. Linux only (CPU clocks by pid).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from figures import Round, Turn, quantile, summary, table
from machine import Others, import_seconds, machine, wait_for_quiet
from processes import Child, ServerChild, stop_all
from variants import VARIANTS, Variant

_NEEDED = (
    "fastapi",
    "uvicorn",
    "httpx",
    "opentelemetry.sdk",
    "opentelemetry.exporter.otlp.proto.http",
    "shadow_mw",
)
_ALL_CORES = float(os.cpu_count() or 1)
# Batches of records and of spans wait half a second; their cost belongs to the turn that caused it.
_USUAL = {
    "rounds": 10,
    "seconds": 6.0,
    "rate": 200.0,
    "warm_up": 1,
    "settle_seconds": 0.8,
    "quiet_cores": _ALL_CORES,
    "minutes": 60.0,
}
_QUICK = {
    "rounds": 2,
    "seconds": 0.5,
    "rate": 50.0,
    "warm_up": 0,
    "settle_seconds": 0.1,
    "quiet_cores": _ALL_CORES,
    "minutes": 60.0,
}
_MIRROR_PATIENCE_SECONDS = 10.0
_QUIET_PATIENCE_SECONDS = 20.0
_TRIES = 4


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    rate: float
    warm_up: int
    settle_seconds: float
    quiet_cores: float
    minutes: float
    """No round begins later than this."""
    seed: int


class Bench:
    """All processes of one benchmark."""

    def __init__(self, side: ServerChild, load: Child, servers: Mapping[str, ServerChild]) -> None:
        self._side = side
        self._load = load
        self._servers = servers
        self._children = [side, load, *servers.values()]

    def round(self, plan: Plan, order: random.Random) -> Round:
        """Every variant once."""
        return {
            variant.name: self._quiet_turn(variant, plan) for variant in order.sample(VARIANTS, len(VARIANTS))
        }

    def _quiet_turn(self, variant: Variant, plan: Plan) -> Turn:
        """The first turn that others did not disturb, or the least disturbed of several."""
        turns: list[Turn] = []
        while not turns or (len(turns) < _TRIES and turns[-1].others_cores > plan.quiet_cores):
            if plan.quiet_cores < _ALL_CORES:
                wait_for_quiet(self._children, plan.quiet_cores, _QUIET_PATIENCE_SECONDS)
            turns.append(self._turn(variant, plan))
        quietest = min(turns, key=lambda turn: turn.others_cores)
        return replace(quietest, tries=len(turns))

    def _turn(self, variant: Variant, plan: Plan) -> Turn:
        """Load on one variant, until all that it mirrors has arrived and its batches are written."""
        server = self._servers[variant.name]
        others = Others(self._children)
        cpu, calls = server.cpu_seconds(), self._calls(variant)
        result = self._load.ask({"port": server.port, "rate": plan.rate, "seconds": plan.seconds})
        requests = result["requests"]
        arrived = self._arrived(variant, calls, round(requests * variant.mirrored_share))
        time.sleep(plan.settle_seconds)
        return Turn(
            cpu_us=(server.cpu_seconds() - cpu) / requests * 1e6,
            p50_ms=quantile(result["latencies"], 0.50) * 1e3,
            p99_ms=quantile(result["latencies"], 0.99) * 1e3,
            requests=requests,
            errors=result["errors"],
            mirrored_share=arrived / requests,
            late_p99_ms=quantile(result["late"], 0.99) * 1e3,
            others_cores=others.cores(),
        )

    def _calls(self, variant: Variant) -> int:
        return int(json.loads(self._side.get("/calls")[1]).get(variant.name, 0))

    def _arrived(self, variant: Variant, before: int, expected: int) -> int:
        deadline = time.monotonic() + _MIRROR_PATIENCE_SECONDS
        while (arrived := self._calls(variant) - before) < expected and time.monotonic() < deadline:
            time.sleep(0.05)
        return arrived


@contextmanager
def started() -> Iterator[Bench]:
    """The processes, warm enough to answer; stopped by pid in the end."""
    children: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="shadow-overhead-") as folder:
        try:
            children += [side := ServerChild("side.py"), load := Child("load.py")]
            servers = {variant.name: _serve(variant, side, folder) for variant in VARIANTS}
            children += servers.values()
            for server in servers.values():
                server.get("/openapi.json")
            yield Bench(side, load, servers)
        finally:
            stop_all(children)


def _serve(variant: Variant, side: ServerChild, folder: str) -> ServerChild:
    places = {"side": side.url, "name": variant.name, "folder": f"{folder}/{variant.name}"}
    environment = {key: value.format(**places) for key, value in variant.environment.items()}
    return ServerChild("production.py", variant.app, environment=environment)


def measure(plan: Plan) -> dict[str, Any]:
    """The whole benchmark, as it goes into the JSON file."""
    order = random.Random(plan.seed)
    load_before = os.getloadavg()
    ends_at = time.monotonic() + plan.minutes * 60
    with started() as bench:
        for number in range(plan.warm_up):
            print(f"warm-up {number + 1} of {plan.warm_up}", file=sys.stderr)
            bench.round(plan, order)
        rounds = []
        for number in range(plan.rounds):
            if rounds and time.monotonic() > ends_at:
                break
            print(f"round {number + 1} of {plan.rounds}", file=sys.stderr)
            rounds.append(bench.round(plan, order))
    turns = [turn for one in rounds for turn in one.values()]
    return {
        "machine": machine(),
        "plan": asdict(plan),
        "load_average": {"before": load_before, "after": os.getloadavg()},
        "others_cores": statistics.median(turn.others_cores for turn in turns),
        "repeated_turns": sum(turn.tries - 1 for turn in turns),
        "generator_late_p99_ms": statistics.median(turn.late_p99_ms for turn in turns),
        "variants": summary(rounds),
        "rounds": [{name: asdict(turn) for name, turn in one.items()} for one in rounds],
    }


def report(result: Mapping[str, Any]) -> str:
    """The result for a person."""
    plan, imports = result["plan"], result["import_seconds"]
    described = "\n".join(f"  {variant.name:<16} {variant.describes}" for variant in VARIANTS)
    return (
        f"{len(result['rounds'])} rounds of {plan['seconds']:g} s at {plan['rate']:g} requests/s; "
        f"medians over rounds, quartiles in brackets\n\n{table(result['variants'])}\n\n{described}\n\n"
        f"import shadow_mw: {imports['alone'] * 1e3:.0f} ms alone, "
        f"{imports['after_fastapi'] * 1e3:.0f} ms in a process that has imported fastapi\n"
        f"other work on the machine: {result['others_cores']:.2f} of {result['machine']['cpus']} cores, "
        f"{result['repeated_turns']} turns repeated for it; "
        f"load generator late by {result['generator_late_p99_ms']:.2f} ms (p99)"
    )


def _refuse_incomplete() -> None:
    for name in _NEEDED:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise SystemExit(f"{name} is not installed: pip install 'shadow-mw[demo]'")
    if not hasattr(time, "clock_gettime") or not sys.platform.startswith("linux"):
        raise SystemExit("this benchmark reads CPU clocks by pid, which only Linux has")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, help="rounds that count (10)")
    parser.add_argument("--seconds", type=float, help="seconds of load a turn (6)")
    parser.add_argument("--rate", type=float, help="requests a second (200)")
    parser.add_argument("--warm-up", type=int, help="rounds before those that count (1)")
    parser.add_argument(
        "--quiet-cores",
        type=float,
        metavar="CORES",
        help="repeat a turn during which other work took more (no limit)",
    )
    parser.add_argument("--minutes", type=float, help="begin no round later than this (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the order within rounds (1)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of half a second: does it run at all?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _refuse_incomplete()
    usual = _QUICK if options.quick else _USUAL
    given = {name: value for name, value in vars(options).items() if name in usual and value is not None}
    plan = Plan(**{**usual, **given}, seed=options.seed)
    repeats = 1 if options.quick else 5
    imports = {
        "alone": import_seconds("pass", repeats),
        "after_fastapi": import_seconds("import fastapi", repeats),
    }
    result = {"import_seconds": imports, **measure(plan)}
    print(report(result))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
