"""Where this process stands in the hierarchies of control groups. Linux."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def own_folder(controller: str = "") -> Path | None:
    """The folder of this process's cgroup: of version 2, or of version 1 where a controller is named.

    None where there is no such hierarchy, or it can't be seen from here.
    """
    path = _own_path(controller)
    if path is None or ".." in path:
        return None
    for root, place in _mounts(controller):
        if root == "/" or path == root or path.startswith(f"{root}/"):
            return Path(place, path.removeprefix(root.rstrip("/")).lstrip("/"))
    return None


def up_from(folder: Path) -> Iterator[Path]:
    """A cgroup and those above it, as far as they can be seen."""
    while (folder / "cgroup.procs").exists():
        yield folder
        folder = folder.parent


def _own_path(controller: str) -> str | None:
    """`/app` of the line `0::/app`, or of `4:cpu,cpuacct:/app`."""
    for line in _lines("/proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if (controller in controllers.split(",")) if controller else (number == "0" and not controllers):
            return path
    return None


def _mounts(controller: str) -> Iterator[tuple[str, str]]:
    """Which cgroup is the root of a mount, and where it is mounted."""
    for line in _lines("/proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        is_ours = controller in options.split(",") and kind == "cgroup" if controller else kind == "cgroup2"
        if is_ours:
            _, _, _, root, place, *_ = before.split(" ")
            yield root, place


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
