"""Children of the benchmark: started on a socket of ours, measured, and stopped by pid."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_OWN = ("SHADOW_", "OTEL_", "BENCHMARK_")
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


def own_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Our environment without what configures the libraries that are measured, and with what does here."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    return {**inherited, **more}


class Child:
    """A Python process that runs a script beside this file and ends when its stdin does."""

    counts_children = False
    """Whether the work is done by children of the process, which are then measured with it."""

    def __init__(
        self,
        script: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        keep: tuple[int, ...] = (),
    ) -> None:
        """Start the script; `keep` are file descriptors that it inherits."""
        self._script = script
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 closed by stop()
        self.process = subprocess.Popen(
            [sys.executable, str(_HERE / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=own_environment(environment or {}),
            pass_fds=keep,
        )

    def cpu_seconds(self) -> float:
        """User and system time of all threads of the process since its start.

        By the process's CPU clock (clock_getcpuclockid(3)): the sum that /proc/<pid>/stat tells, in
        nanoseconds instead of ticks of 10 ms.
        """
        pid = self.process.pid
        return sum(map(cpu_seconds, (pid, *children(pid)) if self.counts_children else (pid,)))

    def beside_cpu_seconds(self) -> float:
        """The same of what stands beside it."""
        return sum(map(cpu_seconds, self.beside()))

    def beside(self) -> list[int]:
        """What the process has started for itself: the mirror process."""
        own = children(self.process.pid)
        return [pid for worker in own for pid in children(worker)] if self.counts_children else own

    def ask(self, line: dict[str, Any]) -> dict[str, Any]:
        """One order on the child's stdin, and its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline() or self._dead())
        return answer

    def errors(self) -> str:
        """What the child wrote to stderr."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def hang_up(self) -> None:
        """End the child's stdin, which asks it to end."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def reap(self) -> None:
        """Wait for its end, and force it when it does not come."""
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()

    def _dead(self) -> str:
        raise SystemExit(f"{self._script} ended:\n{self.errors()}")


def cpu_seconds(pid: int) -> float:
    """CPU of a process since its start, by its clock."""
    return time.clock_gettime(~pid << 3 | 2)


def children(pid: int) -> list[int]:
    """The processes that this one started and that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # proc_pid_stat(5): the name may hold anything, so count from the parenthesis that closes it.
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            found += [int(folder.name)] * (int(parent) == pid)
    return found


class ServerChild(Child):
    """A child that serves HTTP on a free port of loopback."""

    def __init__(self, script: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            self.port: int = listener.getsockname()[1]
            number = listener.fileno()
            super().__init__(script, *arguments, str(number), environment=environment, keep=(number,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; waits for a server that is still starting.

        Raises:
            SystemExit: the child has ended.

        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_START_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            self._dead()
            raise
        finally:
            connection.close()


class GunicornChild(ServerChild):
    """A server child whose workers are processes of their own."""

    counts_children = True


def stop_all(started: Sequence[Child]) -> None:
    """End them side by side, because a stopping server drains, and wait for their mirror processes too."""
    mirrors = [pid for child in started for pid in child.beside()]
    for child in started:
        child.hang_up()
    for child in started:
        child.reap()
    deadline = time.monotonic() + _STOP_SECONDS
    while any(map(_runs, mirrors)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
