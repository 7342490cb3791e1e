"""The writing side of the embedded store: append-only JSON lines, one file a process."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from shadow_mw.exceptions import StoreError
from shadow_mw.forks import call_in_child
from shadow_mw.records import Record
from shadow_mw.stores.files import BINARY, write_all
from shadow_mw.stores.layout import Layout, reason, utc_day
from shadow_mw.stores.lines import encode
from shadow_mw.stores.locks import lock
from shadow_mw.stores.retention import Limits, prune

_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | BINARY
_sequence = itertools.count()


class SegmentStore:
    """A store that appends to a file of its own process. Thread-safe and fork-safe.

    Nothing is shared between processes, so there is nothing to wait for. A batch survives the death of the
    process as soon as `write` has returned; it is left to the operating system when it reaches the disk,
    so a power cut may cost the last seconds. Records over the size cap or the age limit are deleted when a
    segment is opened: at the first write, when one is full, and at midnight UTC.

    The folder must be on a local file system: locks do not work on every NFS.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        max_bytes: int,
        retention_days: float,
        segment_bytes: int = 64 * 2**20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Name the folder; it is made at the first write.

        A segment takes an eighth of `max_bytes` at most, so that the cap can hold although no live segment
        is deleted. `clock` tells Unix time in seconds.
        """
        self._layout = Layout(folder)
        self._limits = Limits(max_bytes, retention_days, max(min(segment_bytes, max_bytes // 8), 1))
        self._clock = clock
        self._lock = threading.Lock()
        self._segment: _Segment | None = None
        _stores.add(self)

    def __repr__(self) -> str:
        """Name the folder."""
        return f"SegmentStore({str(self._layout.root)!r})"

    def write(self, batch: Sequence[Record]) -> None:
        """Append a batch; all of it or none.

        What JSON cannot hold is replaced (see `lines.encode`).

        Raises:
            StoreError: the batch could not be kept; a later one may be, once the disk is mended.

        """
        if not batch:
            return
        data = encode(batch)
        with self._lock:
            try:
                self._room_for(len(data)).append(data)
            except OSError as error:
                self._let_go()
                raise StoreError(
                    f"cannot write to the store at {self._layout.root}: {reason(error)}"
                ) from error

    def close(self) -> None:
        """Give the segment back, so that it may be compacted; a later write opens another."""
        with self._lock:
            self._let_go()

    def _room_for(self, length: int) -> _Segment:
        now = self._clock()
        day = utc_day(now)
        if self._segment is not None:
            if self._segment.takes(length, day, self._limits.segment_bytes):
                return self._segment
            self._let_go()
        self._layout.prepare()
        prune(self._layout, self._limits, now)
        self._segment = _Segment(self._layout.hot, day)
        return self._segment

    def _let_go(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()

    def _forget_parent(self) -> None:
        """Run in a forked child: the segment is the parent's, and so may be whoever holds the lock."""
        self._lock = threading.Lock()
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.disown()


class _Segment:
    """One append-only file, locked for its owner until it is closed."""

    __slots__ = ("_day", "_fd", "_path", "_pid", "_size")

    def __init__(self, folder: Path, day: str) -> None:
        """Make the file; it is empty."""
        self._day = day
        self._pid = os.getpid()
        self._size = 0
        self._path, self._fd = _create(folder, day)

    def takes(self, length: int, day: str, limit: int) -> bool:
        """True when `length` more bytes belong here: the same process, day and file, and room."""
        return (
            self._pid == os.getpid()
            and self._day == day
            and (self._size == 0 or self._size + length <= limit)
            and self._is_in_place()
        )

    def append(self, data: bytes) -> None:
        """Write all of it or leave the file as it was."""
        try:
            write_all(self._fd, data)
        except BaseException:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(data)

    def close(self) -> None:
        """Give the file back; an empty one is deleted."""
        if self._pid == os.getpid() and not self._size:
            with contextlib.suppress(OSError):
                self._path.unlink()
        self.disown()

    def disown(self) -> None:
        """Drop our handle and nothing else: to unlock would unlock it for the process that we came from."""
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def _is_in_place(self) -> bool:
        """False when someone deleted or moved the folder: what is written then would be lost in silence."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except OSError:
            return False


def _create(folder: Path, day: str) -> tuple[Path, int]:
    host = re.sub(r"[^A-Za-z0-9_]", "_", socket.gethostname())[:40]
    while True:
        path = folder / f"{day}-{host}-{os.getpid()}-{time.time_ns()}-{next(_sequence)}.jsonl"
        fd = os.open(path, _NEW, 0o600)
        try:
            lock(fd)
            # Between the two calls the file looked like a dead owner's, and may have been deleted as such.
            if os.fstat(fd).st_nlink:
                return path, fd
        except BaseException:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        os.close(fd)


_stores: weakref.WeakSet[SegmentStore] = weakref.WeakSet()


def _forget_parents() -> None:
    for store in list(_stores):
        store._forget_parent()  # noqa: SLF001 - the fork hook is part of the class


call_in_child(_forget_parents)
