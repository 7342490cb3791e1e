"""The host's load: for what share of the time somebody waits for a CPU."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path("/")
_SOME = "some avg10="


class HostLoad:
    """Reads the pressure on the CPUs of where the app runs, 0.0 to 1.0.

    That of the app's own control group (cgroup v2: a container, a pod, a service), which knows its quota too;
    else the host's. Both are the kernel's Pressure Stall Information, the share of the last ten seconds in
    which at least one task waited for a CPU. Without it, the share of runnable tasks that no core is left
    for, by the load average of the last minute.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        """Read below this folder."""
        self._places = (_group_file(root), root / "proc/pressure/cpu")

    def __repr__(self) -> str:
        """Where it reads."""
        return f"HostLoad({str(self._places[0])!r})"

    def read(self) -> float | None:
        """The load now, or None where the platform tells none."""
        for place in self._places:
            pressure = _pressure(place)
            if pressure is not None:
                return pressure
        return _crowding()


def _group_file(root: Path) -> Path:
    """Where the own control group tells its pressure (cgroup v2), whether or not it does."""
    folder = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        lines = []
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    # A group as the host names it is not to be found inside of a container, where its own is the root.
    named = folder / own.strip("/") / "cpu.pressure"
    return named if named.exists() else folder / "cpu.pressure"


def _pressure(place: Path) -> float | None:
    try:
        text = place.read_text()
    except (OSError, ValueError):
        return None
    line = next((line for line in text.splitlines() if line.startswith(_SOME)), "")
    try:
        return min(max(float(line.removeprefix(_SOME).split()[0]) / 100, 0.0), 1.0)
    except (ValueError, IndexError):
        return None


def _crowding() -> float | None:
    if not hasattr(os, "getloadavg"):
        return None
    try:
        runnable = os.getloadavg()[0]
    except OSError:
        return None
    cores = os.cpu_count() or 1
    return max(runnable - cores, 0.0) / runnable if runnable > 0 else 0.0
