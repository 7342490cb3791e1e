"""The CPU quota that a process shares with others, as that of a container. Linux."""

from __future__ import annotations

from pathlib import Path

from shadow_mw.caps.group import PREFIX
from shadow_mw.caps.hierarchy import own_folder, up_from


class Quota:
    """How many cores those in a cgroup may use together, and how often they have been stopped for it."""

    def __init__(self, folder: Path, cores: float) -> None:
        """Take the cgroup with the quota."""
        self.folder = folder
        self.cores = cores

    def __repr__(self) -> str:
        """How much, and where it is said."""
        return f"Quota({self.cores:g} cores, {str(self.folder)!r})"

    @property
    def times_throttled(self) -> int:
        """In how many periods the quota was spent before the end; 0 where that can't be read."""
        for line in _text(self.folder / "cpu.stat").splitlines():
            name, _, value = line.partition(" ")
            if name == "nr_throttled":
                return int(value)
        return 0


def shared_quota() -> Quota | None:
    """The smallest quota over this process that is not its own cap; None where there is none."""
    found = [
        Quota(folder, cores)
        for controller in ("", "cpu")
        if (own := own_folder(controller)) is not None
        for folder in up_from(own)
        if not folder.name.startswith(PREFIX) and (cores := _cores(folder)) is not None
    ]
    return min(found, key=lambda quota: quota.cores, default=None)


def _cores(folder: Path) -> float | None:
    """What a cgroup has, of version 2 or 1."""
    words = _text(folder / "cpu.max").split() or [
        _text(folder / "cpu.cfs_quota_us").strip(),
        _text(folder / "cpu.cfs_period_us").strip(),
    ]
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return None  # `max`, -1, or no such file
    return int(words[0]) / int(words[1])


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
