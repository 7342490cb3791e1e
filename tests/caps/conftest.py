"""What the machine has of control groups, and what a test may do with it."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_fixtures import make_app, runtime, shadow, start
from quota_cores import QUOTA_CORES

from shadow_mw.caps.hierarchy import own_folder

__all__ = ["make_app", "runtime", "shadow", "start"]
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def cgroup() -> Iterator[Path | None]:
    """A real cgroup of version 2 to divide, with what controllers can be had; None where none can be made."""
    folder = _made(own_folder())
    if folder is not None:
        for controller in ("cpu", "memory", "pids"):
            with contextlib.suppress(OSError):
                (folder.parent / "cgroup.subtree_control").write_text(f"+{controller}")
    yield folder
    _remove(folder)


class QuotaGroup:
    """A real cgroup with a CPU quota, as a container's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def enter(self, pid: int) -> None:
        (self.folder / "cgroup.procs").write_text(str(pid))


@pytest.fixture
def quota_group() -> Iterator[QuotaGroup | None]:
    """A tenth of a core, which a busy machine gives too; None where no such cgroup can be made."""
    folder = _made(own_folder("cpu")) or _made(own_folder())
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, folder)
        yield None if folder is None or not _limited(folder) else QuotaGroup(folder)


def _limited(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        if (folder / "cpu.cfs_quota_us").exists():
            (folder / "cpu.cfs_quota_us").write_text(str(int(QUOTA_CORES * 100_000)))
            return True
        with contextlib.suppress(OSError):
            (folder.parent / "cgroup.subtree_control").write_text("+cpu")
        descriptor = os.open(folder / "cpu.max", os.O_WRONLY)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{int(QUOTA_CORES * 100_000)} 100000")
        return True
    return False


def _made(parent: Path | None) -> Path | None:
    if parent is None:
        return None
    folder = parent / f"shadow-mw-test-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
    except OSError:
        return None
    return folder


def _remove(folder: Path | None) -> None:
    if folder is None or not folder.exists():
        return
    for inner in [path for path in folder.iterdir() if path.is_dir()]:
        _remove(inner)
    with contextlib.suppress(OSError):
        folder.rmdir()
