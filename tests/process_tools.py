"""Programs that mirror through `process:` or `unix:`, and what one can see of their mirror process."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from asgi_driver import chunked, http_scope, run
from clean_environment import clean_environment

from shadow_mw import ShadowMiddleware
from shadow_mw.records import BUCKETS

HERE = Path(__file__).parent / "process"
ROUTES = "POST /predict"
#: Generous: the mirror process has the lowest priority there is, and the machine may be busy.
DEADLINE_SECONDS = 60.0
NOISE = ("Traceback", "Warning:", "never awaited", "was destroyed")


def until(
    done: Callable[[], Any], what: Callable[[], object] | str, seconds: float = DEADLINE_SECONDS
) -> Any:
    """Ask an outside process again and again until it says something; fails at a deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := done():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")


class Runtime:
    """A private folder for sockets with a short path, and the mirror processes that live in it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="smw", dir="/tmp"))

    def mirrors(self) -> list[int]:
        """The pids of the mirror processes of this folder, zombies left out."""
        return [pid for pid in processes() if self._is_mirror(pid)]

    def _is_mirror(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return b"shadow_mw.process" in arguments and any(
                argument.startswith(os.fsencode(self.path) + b"/") for argument in arguments
            )
        return False

    def mirror(self) -> int:
        """The pid of the one mirror process."""
        pids = until(self.mirrors, "a mirror process")
        assert len(pids) == 1, pids
        return int(pids[0])

    def other_mirror(self, old: int) -> int:
        """The pid of the mirror process that came after another."""
        return int(until(lambda: [pid for pid in self.mirrors() if pid != old], "a new mirror process")[0])

    def wait_gone(self) -> None:
        until(lambda: not self.mirrors(), lambda: f"{self.mirrors()} end")

    @property
    def files(self) -> list[str]:
        """What is left of us in the folder."""
        return [str(path) for path in self.path.glob("shadow_mw-*/**/*") if not path.is_dir()]

    def close(self) -> None:
        """End what is left, and delete the folder."""
        for pid in self.mirrors():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.path, ignore_errors=True)


@contextlib.contextmanager
def runtime_folder() -> Iterator[Runtime]:
    runtime = Runtime()
    try:
        yield runtime
    finally:
        runtime.close()


def processes() -> list[int]:
    """All pids but those of zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            if entry.name.isdigit() and (entry / "stat").read_text().rpartition(") ")[2][0] not in "ZX":
                found.append(int(entry.name))
    return found


def session(leader: int) -> list[int]:
    """The processes of a session."""
    found = []
    for pid in processes():
        with contextlib.suppress(OSError):
            if os.getsid(pid) == leader:
                found.append(pid)
    return found


def is_mirror(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"shadow_mw.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def catches(pid: int, number: int) -> bool:
    """True when a process has a handler for a signal."""
    with contextlib.suppress(OSError):
        _, _, rest = Path(f"/proc/{pid}/status").read_text().partition("SigCgt:")
        return bool(int(rest.split()[0], 16) >> (number - 1) & 1)
    return False


class Program:
    """A process of its own, with a session of its own, that writes all it says to one file."""

    def __init__(
        self, command: list[str], folder: Path, runtime: Runtime, *, port: int = 0, **environment: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.store = folder / "store"
        self._port = port
        self._log = folder / f"log-{time.monotonic_ns()}"
        clean = clean_environment()
        ours = {
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
            "SHADOW_STORE": str(self.store),
            "SHADOW_QUEUE": "process:",
            "SHADOW_ROUTES": ROUTES,
            "XDG_RUNTIME_DIR": str(runtime.path),
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=HERE,
                env={**clean, **ours, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def says(self, text: str) -> None:
        """Wait until a text stands in what the program says."""
        until(lambda: text in self.log, lambda: f"{text!r} in {self.log}")

    @property
    def port(self) -> int:
        """The port, once something listens there."""
        if not self._port:
            self._port = until(self._find_port, lambda: f"a port in {self.log}")
        until(self._listens, lambda: f"a listener at {self._port}: {self.log}")
        return self._port

    def _find_port(self) -> int:
        own = "".join(line for line in self.log.splitlines(keepends=True) if " mirrors " not in line)
        _, found, rest = own.partition("http://127.0.0.1:")
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        return int(digits) if found and rest[len(digits) :] else 0

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def ask(self, path: str = "/predict", body: bytes = b"[1]") -> bytes:
        """The body of the answer to one request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        try:
            headers = {"content-type": "application/json", "connection": "close"}
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, (answer.status, content, self.log)
            return content
        finally:
            connection.close()

    def ask_many(self, count: int, body: bytes = b"[1]", threads: int = 8) -> list[bytes]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda _: self.ask(body=body), range(count)))

    def statistics(self) -> dict[str, int]:
        """The counts that the app shows after a drain."""
        answer = json.loads(self.ask("/statistics"))
        assert answer["is_drained"], self.log
        return dict(answer["counts"])

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code."""
        return self.process.wait(DEADLINE_SECONDS)

    def wait_gone(self) -> None:
        """Wait until no process of the session is left."""
        until(lambda: not session(self.process.pid), lambda: session(self.process.pid))

    def wait_catching(self, number: int, processes: int) -> None:
        """Wait until so many processes have a handler for a signal, the mirror process not counted."""
        until(
            lambda: sum(catches(pid, number) for pid in self._own()) == processes,
            lambda: f"{processes} processes of {self._own()} that catch {number}: {self.log}",
        )

    def kill(self) -> None:
        """Kill every process of the session but the mirror process."""
        for pid in self._own():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(DEADLINE_SECONDS)

    def _own(self) -> list[int]:
        return [pid for pid in session(self.process.pid) if not is_mirror(pid)]

    def books(self, eligible: int) -> dict[str, int]:
        """The sums of the store's tallies once so many requests are booked; they must close."""
        until(lambda: tallies(self.store).get("eligible", 0) >= eligible, lambda: tallies(self.store))
        return closed(tallies(self.store))


def tallies(store: Path) -> dict[str, int]:
    """The sums of the tallies in a store."""
    counts: Counter[str] = Counter()
    for record in records(store):
        counts.update(record.get("counts", {}))
    return dict(counts)


def comparisons(store: Path) -> list[dict[str, Any]]:
    return [record for record in records(store) if record["kind"] == "comparison"]


def records(store: Path) -> list[dict[str, Any]]:
    found = []
    for path in (store / "hot").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):  # cut by a kill, or just being written
                found.append(json.loads(line))
    return found


def closed(counts: dict[str, int]) -> dict[str, int]:
    """The same counts, which must close: each eligible request is in one bucket."""
    assert sum(counts.get(bucket, 0) for bucket in BUCKETS) == counts.get("eligible", 0), counts
    return counts


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers with what it is sent."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
    )
    await send({"type": "http.response.body", "body": body})


class App:
    """An app in the tests' own process, with the mirror in front of it."""

    def __init__(self, targets: str, app: Any = echo, **settings: Any) -> None:
        self.middleware = ShadowMiddleware(app, targets=targets, routes=ROUTES, **settings)
        assert self.middleware._installation is not None
        self.installation = self.middleware._installation

    def ask(self, body: bytes = b"[1]", times: int = 1) -> None:
        """Production must answer, whatever becomes of its mirror."""
        for _ in range(times):
            seen = run(
                self.middleware, http_scope(headers=[(b"content-type", b"application/json")]), chunked(body)
            )
            assert seen.error is None
            assert [message.get("body") for message in seen.sent] == [None, body]
            assert seen.sent[0]["status"] == 200

    def ask_from_threads(self, threads: int, times: int, body: bytes = b"[1]") -> None:
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(self.ask, body, times) for _ in range(threads)]:
                done.result()

    def counts(self) -> dict[str, int]:
        """The sum of the books as the app's own statistics show them now."""
        counts: Counter[str] = Counter()
        for shadow in self.installation.statistics().shadows:
            for route in shadow.routes.values():
                counts.update(route)
        return closed(dict(counts))

    def drained(self) -> dict[str, int]:
        assert self.installation.drain(DEADLINE_SECONDS)
        return self.counts()
