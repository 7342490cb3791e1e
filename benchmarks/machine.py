"""The machine that is measured on: what is installed, and what else it does meanwhile."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processes import Child

_PACKAGES = (
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "h11",
    "httpx",
    "opentelemetry-sdk",
    "shadow-mw",
)
_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.5


class Others:
    """The CPU that everything but this benchmark used since this was made."""

    def __init__(self, ours: Sequence[Child]) -> None:
        self._ours = ours
        self._begun = (time.monotonic(), self._busy_seconds())

    def cores(self) -> float:
        """How many cores it kept busy."""
        since, busy = self._begun
        return max((self._busy_seconds() - busy) / (time.monotonic() - since), 0.0)

    def _busy_seconds(self) -> float:
        # /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        ours = sum(child.cpu_seconds() for child in self._ours) + time.process_time()
        return (sum(fields) - fields[3] - fields[4]) / _TICKS - ours


def wait_for_quiet(ours: Sequence[Child], cores: float, patience_seconds: float) -> None:
    """Wait until others keep at most so many cores busy, or patience ends."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        others = Others(ours)
        time.sleep(_LOOK_SECONDS)
        if others.cores() <= cores:
            return


def import_seconds(first: str, repeats: int) -> float:
    """The median time of `import shadow_mw` in a fresh process, after `first` has been run."""
    code = f"import time; {first}; t = time.perf_counter(); import shadow_mw; print(time.perf_counter() - t)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(repeats)
    ]
    return statistics.median(float(run.stdout) for run in runs)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    installed = {one.name: one.version for one in importlib.metadata.distributions()}
    return {
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: installed.get(name, "not installed") for name in _PACKAGES},
    }
