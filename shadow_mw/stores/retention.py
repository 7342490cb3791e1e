"""How old and how large a store may get."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.files import BINARY
from shadow_mw.stores.journal import read_journal
from shadow_mw.stores.layout import PART_FOLDERS, Layout, day_of, utc_day
from shadow_mw.stores.locks import HAVE_LOCKS, try_lock
from shadow_mw.stores.publication import listing

_DAY_SECONDS = 86_400


class Limits(msgspec.Struct, frozen=True):
    """What a store may hold. Immutable."""

    max_bytes: int
    retention_days: float
    segment_bytes: int
    """The size at which a segment is full."""


class _File(msgspec.Struct, frozen=True):
    path: Path
    day: str
    size: int
    is_live: bool


def prune(layout: Layout, limits: Limits, now: float) -> None:
    """Delete what is too old, then the oldest until a new segment fits under the cap. Needs no DuckDB.

    Ages count in whole days. The segment of a living process is never deleted, so the cap gives way where
    the segments of living processes alone exceed it. A disk that refuses is left for the next time.
    """
    with contextlib.suppress(OSError, StoreError), listing(layout) as held:
        if held:
            _prune(layout, limits, now)


@contextlib.contextmanager
def dead_segment(path: Path, now: float) -> Iterator[bool]:
    """Hold a segment's lock for a block; yields False when its owner lives or it cannot be opened.

    Where the platform has no locks, a segment counts as dead two days after the day in its name: its
    owner appends to none of another day.
    """
    if not HAVE_LOCKS:
        yield day_of(path) < utc_day(now - _DAY_SECONDS)
        return
    try:
        fd = os.open(path, os.O_RDONLY | BINARY)
    except OSError:
        yield False
        return
    try:
        yield try_lock(fd) and os.fstat(fd).st_nlink > 0
    finally:
        os.close(fd)


def _prune(layout: Layout, limits: Limits, now: float) -> None:
    files = sorted(_files(layout, now), key=lambda file: file.day)
    oldest_day = utc_day(now - limits.retention_days * _DAY_SECONDS)
    excess = sum(file.size for file in files) - _room(files, limits)
    for file in files:
        if file.is_live or (file.size and file.day >= oldest_day and excess <= 0):
            continue
        if _removed(file, now):
            excess -= file.size
    _remove_old_drafts(layout, now - limits.retention_days * _DAY_SECONDS)
    _remove_empty_days(layout)


def _room(files: list[_File], limits: Limits) -> int:
    """The size to prune to: living segments are yet to grow, but that must not cost over half of the cap."""
    growth = limits.segment_bytes + sum(
        max(limits.segment_bytes - file.size, 0) for file in files if file.is_live
    )
    return limits.max_bytes - min(growth, limits.max_bytes // 2)


def _files(layout: Layout, now: float) -> Iterator[_File]:
    """Every file that holds records, but for those of an unfinished compaction, which must stay together."""
    journal = read_journal(layout)
    kept = journal.paths(layout, journal.sources + journal.targets) if journal else []
    paths = layout.segments() + [path for kind in PART_FOLDERS for path in layout.parts(kind)]
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            yield _File(path, day_of(path), path.stat().st_size, path in kept or _is_live(path, now))


def _is_live(path: Path, now: float) -> bool:
    if path.suffix != ".jsonl":
        return False
    with dead_segment(path, now) as dead:
        return not dead


def _removed(file: _File, now: float) -> bool:
    try:
        if file.path.suffix != ".jsonl":
            file.path.unlink()
            return True
        with dead_segment(file.path, now) as dead:
            # It may have been new when it was measured, and have grown and died since.
            is_same = dead and file.path.stat().st_size == file.size
            if is_same:
                file.path.unlink()
            return is_same
    except OSError:
        return False


def _remove_old_drafts(layout: Layout, oldest: float) -> None:
    """What a compaction that was killed long ago was making holds records too."""
    for path in layout.tmp.glob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()


def _remove_empty_days(layout: Layout) -> None:
    for folder in PART_FOLDERS.values():
        for day in (layout.root / folder).glob("dt=*"):
            with contextlib.suppress(OSError):
                day.rmdir()
