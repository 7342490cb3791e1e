"""The processes of `soak.py`: production and its twin, what is mirrored to, and who watches."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from flask_production import THREADS
from kafka_site import WorkerProcess
from memory import resident
from processes import Child, GunicornChild, ServerChild, children, stop_all
from soak_shadow import Doors
from soak_traffic import CAP_BYTES

from shadow_mw.exceptions import StoreNotFound
from shadow_mw.stores.reader import open_reader

ROUTES = ("POST /predict", "POST /stream")
SHADOWS = ("shadow", "model")
#: Flask lists the methods that it allows in the order of a set.
_SAME = {"PYTHONHASHSEED": "0"}
_HERE = Path(__file__).parent
_BOOKS_SECONDS = 120.0
_SCRIPTS: Mapping[str, tuple[type[ServerChild], str]] = {
    "fastapi": (ServerChild, "soak_production.py"),
    "flask": (GunicornChild, "soak_flask.py"),
}


def settings(folder: Path, queue: str, shadow: str, collector: str) -> dict[str, str]:
    """What the mirrored app, and a worker beside it, are told; small, so that bounds are met."""
    return {
        **_SAME,
        "SHADOW_TARGETS": f"shadow={shadow}, model=python:soak_model:answer",
        "SHADOW_ROUTES": ", ".join(ROUTES),
        "SHADOW_QUEUE": queue,
        "SHADOW_STORE": str(folder / "store"),
        # Over its cap a store lets the oldest go, and every request is looked for in the end.
        "SHADOW_STORE_BYTES": "8GiB",
        "SHADOW_TIMEOUT_SECONDS": "2",
        "SHADOW_BREAKER_RESET_SECONDS": "1",
        "SHADOW_MAX_BODY_BYTES": str(CAP_BYTES),
        "SHADOW_QUEUE_SIZE": "100",
        "SHADOW_QUEUE_BYTES": str(16 * CAP_BYTES),
        "SHADOW_MEMORY_BYTES": "512MiB",
        "XDG_RUNTIME_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(_HERE), str(_HERE.parent)]),
        "OTEL_SERVICE_NAME": "soak",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }


class Site:
    """Everything that runs, for a block."""

    def __init__(self, folder: Path, app: str, queue: str) -> None:
        self._folder = folder
        self._app = app
        self.queue = queue
        self.pool_threads = THREADS if app == "flask" else 0
        self._started: list[Child] = []
        self._worker: WorkerProcess | None = None

    def __enter__(self) -> Site:  # noqa: PYI034 (typing.Self came with Python 3.11)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self._started.append(side := ServerChild("side.py"))
        self.doors = Doors(side.url)
        self._settings = settings(self._folder, self.queue, self.doors.shadow.url, self.doors.collector.url)
        self.start_worker()
        make, script = _SCRIPTS[self._app]
        self._started.append(production := make(script, "mirrored", environment=self._settings))
        self._started.append(twin := make(script, "bare", environment=_SAME))
        self.production, self.twin = production, twin
        for one in (production, twin):
            status, body = one.get("/about/soak")
            if (status, body) != (200, b"about soak"):
                raise SystemExit(f"{script} answers {status} {body!r}: {one.errors()}")

    def start_worker(self) -> None:
        """Start the worker that `unix:` needs; else the app has its own."""
        if self.queue.startswith("unix:"):
            self._worker = WorkerProcess(self._settings, os.sched_getaffinity(0))

    def kill_mirror(self) -> None:
        """Kill the mirror process, and start the worker of `unix:` again, as its keeper would."""
        for pid in self.mirrors():
            os.kill(pid, signal.SIGKILL)
        if self._worker is not None:
            self._worker.reap()
            self.start_worker()

    def signal_mirror(self, number: int) -> None:
        for pid in self.mirrors():
            os.kill(pid, number)

    def fill_disk(self, *, is_full: bool) -> None:
        """Keep the mirror process from writing to any file, as a full disk would."""
        for pid in self.mirrors():
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if is_full else hard, hard))

    def mirrors(self) -> list[int]:
        """The mirror process, which for `inline:` there is not."""
        if self._worker is not None:
            return [self._worker.pid]
        return self.production.beside() if self.queue == "process:" else []

    def serving(self, child: ServerChild) -> list[int]:
        """The processes of a server, but for what it has started for itself."""
        own = [child.process.pid]
        return own + children(own[0]) if isinstance(child, GunicornChild) else own

    def books(self) -> dict[str, Counter[str]]:
        """What the store has of each shadow."""
        found: dict[str, Counter[str]] = {name: Counter() for name in SHADOWS}
        with contextlib.suppress(StoreNotFound), open_reader(self._folder / "store") as reader:
            for row in reader.rows("SELECT shadow, counts FROM tallies"):
                found[row["shadow"]].update(row["counts"])
        return found

    def wait_for_books(self, eligible: int) -> None:
        """Wait until so many requests are booked for each shadow, or patience ends."""
        self._until(
            lambda: all(counts["eligible"] >= eligible for counts in self.books().values()), _BOOKS_SECONDS
        )

    def wait_gone(self, pids: Sequence[int]) -> list[int]:
        """Wait until processes have ended; those that have not."""
        self._until(lambda: not any(map(resident, pids)), _BOOKS_SECONDS)
        return [pid for pid in pids if resident(pid)]

    def _until(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:
            time.sleep(0.2)

    def stop(self) -> None:
        """End everything that runs, production first."""
        stop_all(self._started[1:])
        if self._worker is not None:
            self._worker.stop()
            self._worker.reap()
            self._worker = None
        if self._started:
            self.doors.close()
        stop_all(self._started[:1])
        self._started = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._started:
            sys.stderr.write(self.production.errors()[-4000:])
        self.stop()
