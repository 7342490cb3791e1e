"""What a worker behind a real Kafka does, and how soon it has caught up after an outage.

    python benchmarks/brokers.py speed [--rounds N] [--exchanges N] [--held N]
    python benchmarks/brokers.py outage [--seconds S] [--rate R] [--workers N …]

`speed` has `shadow-mw worker` on one core, and the broker, the shadow and the collector on the other. It
meets exchanges that came after it did (`fresh`), or ones that were there before (`backlog`), of which it asks
the store whether another worker has done them; `--held` lays so many other records into that store before.
The same work without a broker (`worker.py`) is done in the same rounds. `outage` has workers stop for some
seconds under steady traffic, and counts the store in the end. Needs Java and Kafka: `.ci/install-brokers`.
Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kafka_site import Feeder, Records, WorkerProcess, kafka, missing, sealed, told, wait_for, warm, working
from outage import Outage
from stored import lay, tally
from worker import in_own_process, server

_PARTITIONS = 4
_PATIENCE_SECONDS = 300.0
_FEWEST_BATCHES = 3
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
_FIRST, _LAST = {_CORES[0]}, {_CORES[-1]}
#: Each way to meet the exchanges: how many workers, and whether they lie there before.
_WAYS = {
    "fresh": (1, False),
    "backlog": (1, True),
    "fresh, 2 workers": (2, False),
    "backlog, 2 workers": (2, True),
}
_WITHOUT = "no broker"

Run = Mapping[str, Any]


@contextlib.contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """Run here, and start on, these cores for a block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Speed:
    """Measures one way after the other with one broker."""

    def __init__(self, broker: Any, port: str, count: int, held: int) -> None:
        self._broker = broker
        self._port = port
        self._count = count
        self._held = held

    def without(self, *, spans: bool) -> Run:
        """The same worker, fed in its own process."""
        found = in_own_process(self._port, "", "httptools", self._count, spans=spans)
        return {"per_second": found["per_second"], "cpu_us": found["cpu_us"]}

    def behind(self, way: str, *, spans: bool) -> Run:
        workers, is_backlog = _WAYS[way]
        with tempfile.TemporaryDirectory(prefix="shadow-store-") as folder:
            store = Path(folder) / "store"
            if self._held:
                lay(store, self._held)
            topic = self._broker.new_topic(_PARTITIONS)
            feeder, records = Feeder(self._broker.address, topic), Records(store)
            environment = told(self._broker, topic, self._port, store, spans=spans)
            cores = [_FIRST] if workers == 1 else [{*_CORES}]
            if is_backlog:
                feeder.put(sealed(self._count))
                feeder.flush()
            with working(environment, workers, cores) as running:
                if not is_backlog:
                    warm(feeder, records, running, self._held)
                    feeder.put(sealed(self._count))
                    feeder.flush()
                run = _stretch(records, running, self._held + feeder.sent)
            _check(store, feeder.sent, self._held)
        return run


def _stretch(records: Records, workers: Sequence[WorkerProcess], end: int) -> Run:
    """The time and the CPU from the first batch that is written now to the last but one.

    The last one is what is left, and waits for more until its second is over.
    """
    seen: list[tuple[int, float, float]] = []
    while not seen or seen[-1][0] < end:
        wait_for(records, records.count() + 1, workers, _PATIENCE_SECONDS)
        seen.append((records.count(), time.perf_counter(), _cpu(workers)))
    if len(seen) < _FEWEST_BATCHES:
        raise SystemExit("too few exchanges for a figure")
    (first, begun, used), (last, ended, used_then) = seen[0], seen[-2]
    done = last - first
    return {"per_second": done / (ended - begun), "cpu_us": (used_then - used) / done * 1e6}


def _cpu(workers: Sequence[WorkerProcess]) -> float:
    return sum(one.cpu_seconds() for one in workers)


def _check(store: Path, sent: int, held: int) -> None:
    found = tally(store)
    wanted = {"records": sent + held, "exchanges": sent + held, "eligible": sent, "compared": sent}
    if found != wanted:
        raise SystemExit(f"the store has {found}, and ought to have {wanted}")


def speed(given: argparse.Namespace) -> dict[str, list[Run]]:
    """All runs, interleaved, by what was run."""
    runs: dict[str, list[Run]] = {}
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(server("client_server.py"))
        with _on(_LAST):
            broker = stack.enter_context(kafka())
        measuring = Speed(broker, port, given.exchanges, given.held)
        for number in range(given.rounds):
            for spans in given.spans:
                for way in (_WITHOUT, *given.ways):
                    print(f"round {number + 1} of {given.rounds}: {_named(way, spans)}", file=sys.stderr)
                    runs.setdefault(_named(way, spans), []).append(_one(measuring, way, spans=spans))
    return runs


def _one(measuring: Speed, way: str, *, spans: bool) -> Run:
    if way == _WITHOUT:
        return measuring.without(spans=spans)
    with _on(_LAST if _WAYS[way][0] == 1 else {*_CORES}):
        return measuring.behind(way, spans=spans)


def _named(way: str, spans: bool) -> str:
    return f"{way} | {'over HTTP' if spans else 'none'}"


def speed_table(runs: Mapping[str, Sequence[Run]]) -> str:
    """The rows for docs/performance.md; the ratio is taken within a round."""
    rows = [
        "| exchanges | spans | CPU an exchange | of no broker | exchanges a CPU-second | best run |",
        "|---|---|---|---|---|---|",
    ]
    for name, all_ in runs.items():
        cpus = sorted(run["cpu_us"] for run in all_)
        cpu, best = statistics.median(cpus), max(run["per_second"] for run in all_)
        bases = runs[f"{_WITHOUT} | {name.rpartition(' | ')[2]}"]
        ratio = statistics.median(
            run["cpu_us"] / base["cpu_us"] for run, base in zip(all_, bases, strict=True)
        )
        spread = f"{cpu:,.0f} [{cpus[0]:,.0f}..{cpus[-1]:,.0f}] µs"
        rows.append(f"| {name} | {spread} | {ratio:.2f} | {1e6 / cpu:,.0f} | {best:,.0f}/s |")
    return "\n".join(rows)


def outages(given: argparse.Namespace) -> list[Run]:
    """One outage for each number of workers."""
    with server("client_server.py") as port, kafka() as broker:
        measuring = Outage(broker, port, given.rate, given.seconds)
        return [measuring.measure(count, [{*_CORES}], _PARTITIONS) for count in given.workers]


def outage_table(found: Sequence[Run]) -> str:
    """The rows for docs/performance.md."""
    rows = [
        "| workers | waited at their return | first batch after | caught up after | waits in the end |",
        "|---|---|---|---|---|",
    ]
    for one in found:
        times = f"{one['first_batch_seconds']:.1f} s | {one['caught_up_seconds']:.1f} s"
        rows.append(f"| {one['workers']} | {one['waiting']:,} | {times} | {one['steady']:,} |")
    return "\n".join(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("--json", type=Path, metavar="FILE", help="write all figures here too")
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("speed", help="exchanges a second", parents=[both])
    part.add_argument("--rounds", type=int, default=3)
    part.add_argument("--exchanges", type=int, default=6000)
    part.add_argument("--held", type=int, default=0, help="records of others in the store (0)")
    part.add_argument("--ways", nargs="+", choices=_WAYS, default=[*_WAYS])
    part.add_argument("--spans", nargs="+", type=_flag, default=[True, False], metavar="on|off")
    part = parts.add_parser("outage", help="how soon it has caught up", parents=[both])
    part.add_argument("--seconds", type=float, default=10.0, help="how long the workers are away (10)")
    part.add_argument("--rate", type=float, default=100.0, help="exchanges a second (100)")
    part.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    return parser.parse_args()


def _flag(word: str) -> bool:
    return {"on": True, "off": False}[word]


def main() -> None:
    given = _options()
    if how := missing():
        sys.exit(how)
    load = os.getloadavg()
    if given.part == "speed":
        found: Any = speed(given)
        print(speed_table(found))
    else:
        found = outages(given)
        print(outage_table(found))
    print(f"load average: {load[0]:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
