"""The doctor of the embedded store: looks at its folder, and mends what is safe to mend."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.files import sync_folder
from shadow_mw.stores.health import Health, readable_size
from shadow_mw.stores.inspection import (
    broken_parts,
    draft_files,
    file_system,
    inspect_segment,
    too_open,
)
from shadow_mw.stores.journal import read_journal, settle
from shadow_mw.stores.layout import PART_FOLDERS, Layout, day_of, reason, utc_day
from shadow_mw.stores.locks import locked
from shadow_mw.stores.publication import publishing
from shadow_mw.stores.retention import dead_segment

_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"})
_DAY_SECONDS = 86_400
_MANY_BYTES = 256 * 2**20


def examine(
    folder: Path | str,
    *,
    max_bytes: int,
    repair: bool = False,
    clock: Callable[[], float] = time.time,
) -> Iterator[Health]:
    """Look at everything in turn; with `repair`, finish or take away what a killed process left.

    Records are never deleted: only half lines of dead processes, drafts, and the rest of an interrupted
    compaction. May run beside writers, readers and compactions. `max_bytes` is the size cap in force.

    Raises:
        StoreError: there is no store.

    """
    layout = Layout(folder)
    layout.check()
    yield Health("ok", f"the store at {layout.root} has a format that this shadow-mw knows")
    yield from _places(layout)
    with _compaction_lock(layout, repair) as has_lock:
        yield from _locks(layout, repair, has_lock)
        yield from _journal(layout, repair and has_lock, has_lock)
        yield from _drafts(layout, repair and has_lock, has_lock)
    yield from _segments(layout, repair, clock())
    yield from _parts(layout)
    yield from _room(layout, max_bytes)
    yield from _days(layout, clock())


@contextlib.contextmanager
def _compaction_lock(layout: Layout, repair: bool) -> Iterator[bool]:
    """Yields True when no compaction is under way, and keeps it so for the block."""
    if repair and not layout.compact_lock.exists():
        layout.compact_lock.touch(mode=0o600)
    if not layout.compact_lock.exists():
        yield True
        return
    with locked(layout.compact_lock) as held:
        yield held


def _places(layout: Layout) -> Iterator[Health]:
    if not os.access(layout.root, os.W_OK | os.X_OK):
        yield Health(
            "harm", f"this user may not write to {layout.root}", "give write permission to the app's user"
        )
    opened = too_open(layout.root)
    if opened:
        mend = f"chmod -R go-rwx {layout.root}"
        yield Health("note", f"other users may read {opened}, and records hold what people sent", mend)
    kind = file_system(layout.root)
    if kind in _REMOTE:
        mend = "keep the store on a local disk, or use postgresql:// or clickhouse://"
        yield Health("harm", f"{layout.root} is on {kind}, which does not keep locks", mend)


def _locks(layout: Layout, repair: bool, has_lock: bool) -> Iterator[Health]:
    if not has_lock:
        yield Health("note", "a compaction is under way", "look again when it is done")
    missing = [
        path for path in (layout.compact_lock, layout.gate_lock, layout.publish_lock) if not path.exists()
    ]
    for path in missing:
        if repair:
            path.touch(mode=0o600)
            yield Health("mended", f"{path.name} was missing, as in a copied store")
        else:
            yield Health("note", f"{path.name} is missing, as in a copied store", "the next writer makes it")


def _journal(layout: Layout, repair: bool, has_lock: bool) -> Iterator[Health]:
    try:
        journal = read_journal(layout)
    except StoreError as error:
        yield Health("harm", str(error))
        return
    if journal is None or not has_lock:
        return
    what = "finished" if journal.is_done(layout) else "undone"
    if not repair:
        sentence = f"a compaction was interrupted and waits to be {what}; readers count each record once"
        yield Health("note", sentence, "run `shadow-mw compact`, or this with --repair")
        return
    with publishing(layout):
        settle(layout, journal)
    yield Health("mended", f"a compaction was interrupted, and is {what} now")


def _drafts(layout: Layout, repair: bool, has_lock: bool) -> Iterator[Health]:
    """What nobody will put in place any more."""
    drafts = draft_files(layout) if has_lock else []
    if not drafts:
        return
    size = readable_size(sum(path.stat().st_size for path in drafts))
    if not repair:
        sentence = f"a killed process left {len(drafts)} drafts of {size}"
        yield Health("note", sentence, "the next compaction deletes them, or this with --repair")
        return
    for path in drafts:
        path.unlink(missing_ok=True)
    shutil.rmtree(layout.tmp, ignore_errors=True)
    yield Health("mended", f"{len(drafts)} drafts of {size} that a killed process had left are deleted")


def _segments(layout: Layout, repair: bool, now: float) -> Iterator[Health]:
    live = waiting = 0
    for path in layout.segments():
        with dead_segment(path, now) as dead:
            live += not dead
            if dead:
                waiting += path.stat().st_size
                yield from _segment(path, repair)
    yield Health("ok", f"{live} segments belong to living processes")
    if waiting > _MANY_BYTES:
        sentence = f"{readable_size(waiting)} of finished segments are not compacted, which slows reading"
        yield Health("note", sentence, "run `shadow-mw compact`")


def _segment(path: Path, repair: bool) -> Iterator[Health]:
    """One of a dead process; the caller holds its lock."""
    found = inspect_segment(path)
    if found.damaged:
        sentence = f"{found.damaged} lines of {path.name} hold no record; nothing of ours writes such"
        yield Health("harm", sentence, "look at the disk; readers leave them out")
    if not found.torn_bytes:
        return
    sentence = f"the last line of {path.name} is torn, since its process was killed while it wrote"
    if not repair:
        yield Health("note", sentence, "readers leave it out; --repair cuts it off")
        return
    with path.open("r+b") as file:
        file.truncate(found.whole_bytes)
        os.fsync(file.fileno())
    sync_folder(path.parent)
    yield Health("mended", f"{sentence}; {found.torn_bytes} bytes are cut off")


def _parts(layout: Layout) -> Iterator[Health]:
    paths = [path for kind in PART_FOLDERS for path in layout.parts(kind)]
    broken = broken_parts(paths)
    if broken is None:
        yield Health("note", "the Parquet files were not looked into", "pip install 'shadow-mw[report]'")
        return
    for path, why in broken:
        yield Health(
            "harm", f"{path} cannot be read ({why})", "move it out of the store, its records are lost"
        )
    if not broken:
        yield Health("ok", f"{len(paths)} Parquet files can be read")


def _room(layout: Layout, max_bytes: int) -> Iterator[Health]:
    paths = layout.segments() + [path for kind in PART_FOLDERS for path in layout.parts(kind)]
    size = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size
    yield Health(
        "ok", f"it holds {readable_size(size)} of at most {readable_size(max_bytes)} (SHADOW_STORE_BYTES)"
    )
    try:
        free = shutil.disk_usage(layout.root).free
    except OSError as error:
        yield Health("note", f"the free space of the disk is unknown ({reason(error)})")
        return
    if free < max_bytes - size:
        sentence = f"the disk has {readable_size(free)} left, less than the store may yet grow"
        yield Health(
            "note",
            sentence,
            "lower SHADOW_STORE_BYTES or make room; when full, records are dropped and counted",
        )
    else:
        yield Health("ok", f"the disk has {readable_size(free)} left")


def _days(layout: Layout, now: float) -> Iterator[Health]:
    """A day in the future tells of a clock that was wrong; such records are never too old."""
    latest = utc_day(now + _DAY_SECONDS)
    paths = layout.segments() + [path for kind in PART_FOLDERS for path in layout.parts(kind)]
    ahead = sorted({day_of(path) for path in paths if day_of(path) > latest})
    if ahead:
        sentence = f"there are records of {ahead[-1]}, and today is {utc_day(now)}"
        yield Health(
            "note", sentence, "set the clock right; delete the files of that day, which retention never will"
        )
