"""A cgroup of one process of ours, with its caps. Linux, version 2."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path

from shadow_mw.caps.cap import Cap
from shadow_mw.caps.delegation import delegated_folder
from shadow_mw.caps.hierarchy import own_folder
from shadow_mw.caps.wish import Wish

PREFIX = "shadow_mw-"
#: The cap that is kept by others where no cgroup keeps it.
CPU = "CPU"
_PERIOD_US = 100_000
#: Threads count too, and libraries of models start one a core and more.
_MOST_TASKS = 1024
_numbers = itertools.count(1)


class Group:
    """A cgroup that one process enters and that is removed once it has gone."""

    def __init__(self, folder: Path, caps: tuple[Cap, ...]) -> None:
        """Take a folder that is there; `made` makes one."""
        self.folder = folder
        self.caps = caps
        self._came_from: Path | None = None

    def __repr__(self) -> str:
        """Where it is."""
        return f"Group({str(self.folder)!r})"

    @classmethod
    def made(cls, wish: Wish) -> Group:
        """A new cgroup with as many of the caps as can be had.

        Raises:
            OSError: there can be none, or it would have no cap at all; the message says why.

        """
        parent = delegated_folder(wish.cgroup)
        sweep(parent)
        folder = parent / f"{PREFIX}{os.getpid()}-{next(_numbers)}"
        folder.mkdir()
        group = cls(folder, ())
        try:
            group.caps = tuple(_caps(folder, wish))
        except OSError:
            group.remove()
            raise
        if any(cap.holds for cap in group.caps):
            return group
        group.remove()
        raise OSError("; ".join(sorted({cap.how for cap in group.caps})))

    def enter(self) -> None:
        """Move this process into it.

        Raises:
            OSError: the kernel refuses.

        """
        self._came_from = own_folder()
        enter(str(self.folder))

    def leave(self) -> None:
        """Move this process back to where it came from, and remove the cgroup. Never raises."""
        with contextlib.suppress(OSError):
            if self._came_from is not None:
                enter(str(self._came_from))
        self.remove()

    def remove(self) -> None:
        """Remove it; one with a process in it stays until the next sweep. Never raises."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def enter(folder: str) -> None:
    """Move this process, with all its threads, into a cgroup.

    Raises:
        OSError: the kernel refuses.

    """
    (Path(folder) / "cgroup.procs").write_text("0")


def sweep(parent: Path) -> None:
    """Remove what processes of ours that were killed have left. Never raises."""
    with contextlib.suppress(OSError):
        for folder in parent.glob(f"{PREFIX}*"):
            owner = folder.name.removeprefix(PREFIX).partition("-")[0]
            if owner.isdigit() and not Path("/proc", owner).exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _caps(folder: Path, wish: Wish) -> list[Cap]:
    caps = [_tried(folder, "pids", "tasks", {"pids.max": str(_MOST_TASKS)})]
    if wish.memory_bytes is not None:
        caps.append(_tried(folder, "memory", "memory", {"memory.max": str(wish.memory_bytes)}))
        for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            with contextlib.suppress(OSError):  # a kernel without swap has no file for it
                _write(folder / name, value)
    if wish.cpu_cores is not None:
        most = f"{max(int(wish.cpu_cores * _PERIOD_US), 1000)} {_PERIOD_US}"
        caps.append(_tried(folder, "cpu", CPU, {"cpu.max": most}))
    _stay_idle(folder)
    return caps


def _stay_idle(folder: Path) -> None:
    """Keep the lowest priority, which a process has against those in its own cgroup only.

    Raises:
        OSError: the kernel would give this cgroup as much as production's.

    """
    if not (folder / "cpu.weight").exists():
        return  # the controller is not enabled here, so that priorities count as if there were no cgroup
    try:
        _write(folder / "cpu.idle", "1")
    except OSError:
        _write(folder / "cpu.weight", "1")


def _tried(folder: Path, controller: str, name: str, values: dict[str, str]) -> Cap:
    try:
        _enable(folder.parent, controller)
        for file, value in values.items():
            _write(folder / file, value)
    except OSError as error:
        return Cap(name, False, error.strerror or str(error))
    return Cap(name, True, ", ".join(f"{file} is {value}" for file, value in values.items()))


def _enable(parent: Path, controller: str) -> None:
    """Hand a controller to the cgroups below.

    Raises:
        OSError: the parent has not got it, or has processes of its own.

    """
    if controller not in (parent / "cgroup.controllers").read_text().split():
        raise OSError(f"the cgroup {parent} was not given the controller {controller}")
    if controller in (parent / "cgroup.subtree_control").read_text().split():
        return
    try:
        _write(parent / "cgroup.subtree_control", f"+{controller}")
    except OSError as error:
        raise OSError(f"the cgroup {parent} hands no {controller} on ({error.strerror})") from error


def _write(path: Path, value: str) -> None:
    # No `write_text`: it would create a file where the kernel has none, with an error that says so.
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
