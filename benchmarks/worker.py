"""How many exchanges a second one worker gets through on one core, by client: `python benchmarks/worker.py`.

The whole worker with comparison, spans over OTLP and store, in a process of its own on one core as the mirror
process is; shadow and collector run in another process on another core.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
from clients import pin

import shadow_mw.assembly.shadows
from shadow_mw.assembly.workshop import make_worker
from shadow_mw.books import Books
from shadow_mw.compare.choice import Comparators
from shadow_mw.ids import uuid7
from shadow_mw.process import spare_collector
from shadow_mw.protocols import Delivery
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange
from shadow_mw.settings import load_settings
from shadow_mw.snapshots import Statistics

_JSON = ((b"content-type", b"application/json"),)
_FEATURES = json.dumps({"features": [number * 1.0001 for number in range(30)]}).encode()
_PREDICTION = b'{"probabilities": [0.000001, 0.000002, 0.000003]}'
_HELD = 500


class Offered:
    """A delivery that is made from nothing, and gives its room back."""

    is_kept = is_withdrawn = may_be_repeated = False
    settled: frozenset[str] = frozenset()

    def __init__(self, room: asyncio.Semaphore) -> None:
        self._room = room
        self.message = exchange()

    def done(self) -> None:
        self._room.release()

    def acknowledge(self) -> None:
        pass


class Flood:
    """A source with as much as the worker takes."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._room = asyncio.Semaphore(_HELD)

    async def deliveries(self) -> AsyncIterator[Delivery]:
        for _ in range(self._count):
            await self._room.acquire()
            yield Offered(self._room)


def exchange() -> Exchange:
    exchange_id = uuid7()
    return Exchange(
        request=CapturedRequest(
            exchange_id=exchange_id,
            request_id=exchange_id,
            ts_us=time.time_ns() // 1000,
            method="POST",
            route="POST /predict",
            path="/predict",
            headers=_JSON,
            body=_FEATURES,
            traceparent=f"00-{exchange_id.replace('-', '')}-b7ad6b7169203331-01",
        ),
        response=CapturedResponse(
            exchange_id=exchange_id, seconds=0.002, status=200, headers=_JSON, body=_PREDICTION
        ),
    )


async def work(shadow: str, library: str, count: int) -> dict[str, Any]:
    """CPU of the whole process for `count` exchanges, and what the books say of them."""
    shadow_mw.assembly.shadows.http_client = lambda: library
    settings = load_settings(targets=shadow, routes="POST /predict", queue="inline:")
    books = Books()
    comparators = Comparators(settings.compare, rtol=1e-5, atol=1e-8, ignore=())
    worker = make_worker(settings, books, comparators, lambda: Statistics(mode="async", queue="", shadows=()))
    spare_collector()
    clock, cpu = time.perf_counter(), time.process_time()
    await worker.run(Flood(count))
    seconds, cpu_seconds = time.perf_counter() - clock, time.process_time() - cpu
    [counts] = books.totals().values()
    return {"per_second": count / seconds, "cpu_us": cpu_seconds / count * 1e6, "counts": counts}


def in_own_process(port: str, collector: str, library: str, count: int, *, spans: bool) -> dict[str, Any]:
    exporter = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector or port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if collector else "http/protobuf",
    }
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, __file__, "--one", library, "--port", port, "--exchanges", str(count)]
        environment = {**os.environ, "SHADOW_STORE": store, **(exporter if spans else {})}
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@contextlib.contextmanager
def server(script: str) -> Iterator[str]:
    """The port of a server in a process of its own, on the other core."""
    command = [sys.executable, str(Path(__file__).parent / script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        pin(child.pid, -1)
        yield child.stdout.readline().strip()


def compare(
    rounds: int, count: int, libraries: list[str], *, is_grpc: bool
) -> dict[tuple[str, bool], list[dict[str, Any]]]:
    """All runs, interleaved, by library and whether spans are exported."""
    runs: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    with contextlib.ExitStack() as stack:
        # The stub answers whatever it is sent, spans over HTTP too.
        port = stack.enter_context(server("client_server.py"))
        collector = stack.enter_context(server("otlp_sink.py")) if is_grpc else ""
        for _ in range(rounds):
            for library in libraries:
                for spans in (True, False):
                    found = in_own_process(port, collector, library, count, spans=spans)
                    runs.setdefault((library, spans), []).append(found)
    return runs


def table(runs: dict[tuple[str, bool], list[dict[str, Any]]]) -> str:
    """The rows for docs/performance.md."""
    rows = [
        "| client | spans | CPU an exchange | exchanges a CPU-second | of httpx | exchanges/s, best run |",
        "|---|---|---|---|---|---|",
    ]
    for (library, spans), all_ in runs.items():
        cpus = sorted(run["cpu_us"] for run in all_)
        cpu, best = statistics.median(cpus), max(run["per_second"] for run in all_)
        base = statistics.median(run["cpu_us"] for run in runs.get(("httpx", spans), all_))
        spread = f"{cpu:,.0f} [{cpus[0]:,.0f}..{cpus[-1]:,.0f}] µs"
        exported = "over OTLP" if spans else "none"
        rows.append(
            f"| {library} | {exported} | {spread} | {1e6 / cpu:,.0f} | {base / cpu:.1f} | {best:,.0f} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--exchanges", type=int, default=5000)
    parser.add_argument("--libraries", nargs="+", default=["httpx", "httptools"])
    parser.add_argument("--grpc", action="store_true", help="export over gRPC instead of HTTP")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--port", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        pin(0, 0)
        url = f"http://127.0.0.1:{given.port}"
        print(json.dumps(anyio.run(work, url, given.one, given.exchanges)))
        return
    runs = compare(given.rounds, given.exchanges, given.libraries, is_grpc=given.grpc)
    print(table(runs))
    lost = [run["counts"] for all_ in runs.values() for run in all_ if not _is_whole(run, given.exchanges)]
    if lost:
        sys.exit(f"not every exchange was compared: {lost[0]}")


def _is_whole(run: dict[str, Any], exchanges: int) -> bool:
    counts: dict[str, int] = run["counts"]
    return counts.get("compared") == exchanges and not counts.get("records_dropped")


if __name__ == "__main__":
    main()
