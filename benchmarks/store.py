"""How long every question to a store takes: 10 million made-up records in a new embedded store.

    python benchmarks/store.py                              # 10 million, embedded
    python benchmarks/store.py --records 1000000 --engines embedded,postgres,clickhouse

With several engines the same records go into each, and the answers are compared. PostgreSQL is a server of
its own on loopback (Debian's `postgresql`), ClickHouse its engine in this process (PyPI's `chdb`).
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import store_made

from shadow_mw import questions
from shadow_mw.assembly.stores import open_reader
from shadow_mw.protocols import Reader
from shadow_mw.scope import Scope
from shadow_mw.stores.clickhouse_reader import ClickHouseReader

DAYS = 30
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000


def asked(last_us: int) -> dict[str, Callable[[Reader], Any]]:
    """The questions, about one shadow and all 30 days unless they say otherwise."""
    whole, last_day = Scope(shadow="forest"), Scope(shadow="forest", since_us=last_us - DAY_US)
    last_hour = Scope(shadow="forest", since_us=last_us - HOUR_US)
    one_route = Scope(shadow="forest", route="POST /predict")

    def worst(reader: Reader) -> Any:
        return questions.listing(reader, whole, only="disagree", order="delta", limit=50)

    return {
        "seen": questions.seen,
        "epochs": lambda reader: questions.epochs(reader, whole),
        "books": lambda reader: questions.books(reader, whole),
        "verdicts": lambda reader: questions.verdicts(reader, whole),
        "verdicts, one route": lambda reader: questions.verdicts(reader, one_route),
        "verdicts, last day": lambda reader: questions.verdicts(reader, last_day),
        "outcomes": lambda reader: questions.outcomes(reader, whole),
        "latencies": lambda reader: questions.latencies(reader, whole),
        "latency pairs": lambda reader: questions.latency_pairs(reader, whole),
        "agreement by 6 hours": lambda reader: questions.agreement_over_time(reader, whole, 6 * HOUR_US),
        "latency by 6 hours": lambda reader: questions.latency_over_time(reader, whole, 6 * HOUR_US),
        "traffic by 6 hours": lambda reader: questions.traffic_over_time(reader, whole, 6 * HOUR_US),
        "paths": lambda reader: questions.paths(reader, whole),
        "label pairs": lambda reader: questions.label_pairs(reader, whole),
        "score pairs": lambda reader: questions.score_pairs(reader, whole),
        "segments": lambda reader: questions.segments(reader, whole),
        "noise": lambda reader: questions.noise(reader, whole),
        "label truths": lambda reader: questions.label_truths(reader, whole),
        "score errors": lambda reader: questions.score_errors(reader, whole),
        "newest 50": lambda reader: questions.listing(reader, whole),
        "newest 50 that failed": lambda reader: questions.listing(reader, last_hour, only="failed"),
        "worst 50": worst,
        "one exchange": lambda reader: questions.exchange(reader, worst(reader)[0].record_id),
        "pulses": questions.pulses,
    }


def timed(action: Callable[[], Any]) -> tuple[Any, float, float]:
    """What it returns, with wall and CPU seconds of this process and its threads."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    answer = action()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return answer, seconds, cpu


def open_engine(where: str) -> Reader:
    """As the tools do, and ClickHouse's engine in this process, which they have no name for."""
    return ClickHouseReader(where) if where.startswith("chdb:") else open_reader(where)


def measure(name: str, where: str, last_us: int, repeat: int, only: str) -> dict[str, Any]:
    """Print a row a question: the best of some runs, in wall and CPU seconds."""
    answers: dict[str, Any] = {}
    reader, opened, _ = timed(lambda: open_engine(where))
    print(f"\n{name}: opened in {opened:.2f} s\n\n| question | seconds | CPU seconds |\n|---|---:|---:|")
    for question, ask in asked(last_us).items():
        if only not in question:
            continue
        runs = [timed(lambda ask=ask: ask(reader)) for _ in range(repeat)]
        answers[question] = runs[0][0]
        print(
            f"| {question} | {min(run[1] for run in runs):.2f} | {min(run[2] for run in runs):.2f} |",
            flush=True,
        )
    reader.close()
    return answers


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--engines", default="embedded")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only", default="", help="only questions with this text in their name")
    parser.add_argument(
        "--store", type=Path, help="a folder to keep the embedded store in, or one made before"
    )
    arguments = parser.parse_args()
    folder = arguments.store or Path(tempfile.mkdtemp(prefix="shadow-mw-store-"))
    try:
        return run(arguments, folder)
    finally:
        if not arguments.store:
            shutil.rmtree(folder)


def run(arguments: argparse.Namespace, folder: Path) -> int:
    python, cores = platform.python_version(), os.cpu_count()
    print(f"{platform.platform()}, {cores} cores, Python {python}, DuckDB {duckdb.__version__}")
    last_us = store_made.END_US
    if not (folder / "FORMAT").exists():
        _, seconds, cpu = timed(lambda: store_made.make_store(folder, arguments.records, DAYS))
        print(f"made {arguments.records:,} records in {seconds:.0f} s ({cpu:.0f} s CPU)")
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    print(f"{size / 2**20:,.0f} MiB of Parquet")
    found = {}
    for engine in arguments.engines.split(","):
        with store_made.filled(engine, folder) as where:
            found[engine] = measure(engine, where, last_us, arguments.repeat, arguments.only)
    first, *others = found
    differing = [
        f"{engine}: {question}"
        for engine in others
        for question, answer in found[first].items()
        if not store_made.is_same(answer, found[engine][question])
    ]
    if others:
        print("\nDifferent answers: " + (", ".join(differing) or "none"))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
