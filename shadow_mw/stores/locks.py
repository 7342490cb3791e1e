"""Advisory locks on files (`flock`), which the kernel gives back when their holder dies."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    HAVE_LOCKS = False
else:
    HAVE_LOCKS = True

_POLL_SECONDS = 0.005


def lock(fd: int) -> None:
    """Lock an open file for its holder alone, waiting for it; nothing where the platform has no locks."""
    if HAVE_LOCKS:
        fcntl.flock(fd, fcntl.LOCK_EX)


def try_lock(fd: int, *, shared: bool = False) -> bool:
    """True when the lock was free; always true where the platform has no locks."""
    if not HAVE_LOCKS:
        return True
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait_seconds: float = 0.0) -> Iterator[bool]:
    """A lock for the length of a block; yields False when it was not free in time.

    Opened for reading alone, so that it also works on a read-only disk.

    Raises:
        OSError: the lock file is missing or not readable.

    """
    fd = os.open(path, os.O_RDONLY)
    try:
        yield _poll(fd, shared, time.monotonic() + wait_seconds)
    finally:
        os.close(fd)


def _poll(fd: int, shared: bool, deadline: float) -> bool:
    while not try_lock(fd, shared=shared):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
