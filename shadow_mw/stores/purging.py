"""Purging the embedded store: records of some requests are taken out of every file that holds them."""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from shadow_mw.exceptions import StoreError
from shadow_mw.records import Comparison, Truth
from shadow_mw.stores.compaction import publish, recover
from shadow_mw.stores.files import make_folder, write_atomically
from shadow_mw.stores.inventory import inventory, unchanged
from shadow_mw.stores.layout import Layout, readable, reason
from shadow_mw.stores.locks import locked
from shadow_mw.stores.part_purging import Parts
from shadow_mw.stores.publication import publishing
from shadow_mw.stores.retention import dead_segment
from shadow_mw.stores.wanted_lines import count_lines, lines_without
from shadow_mw.wanted import Purged, Wanted

_SEGMENTS, _PARTS = "JSON lines", "compacted files"
#: A living worker writes a sign of life every ten seconds, and then lets go of a segment that was renamed.
_PATIENCE_SECONDS = 25.0
_LOCK_SECONDS = 30.0
_POLL_SECONDS = 0.05


def count(folder: Path | str, wanted: Wanted) -> Iterator[Purged]:
    """What would be taken away.

    Raises:
        StoreError: there is no store, or it cannot be read.
        MissingExtraError: there are compacted files, and DuckDB is not installed.

    """
    layout = Layout(folder)
    layout.check()
    with readable(layout.root), unchanged(layout):
        files = inventory(layout)
        found = [count_lines(path.read_bytes(), wanted) for path in files.segments]
        yield _purged(_SEGMENTS, found)
        with Parts(layout, wanted) as parts:
            comparisons = sum(map(parts.count, files.parts[Comparison]))
            yield _purged(_PARTS, [(comparisons, sum(map(parts.count, files.parts[Truth])))])


def purge(
    folder: Path | str, wanted: Wanted, *, patience_seconds: float = _PATIENCE_SECONDS
) -> Iterator[Purged]:
    """Take it away. May run beside writers and readers, and be killed at any moment.

    A segment of a living process is renamed, upon which its owner begins another with its next batch; that
    is waited for, for so long in all.

    Raises:
        StoreError: there is no store, it cannot be written, or a compaction holds it for too long.
        MissingExtraError: there are compacted files, and DuckDB is not installed.

    """
    layout = Layout(folder)
    layout.check()
    try:
        with locked(layout.compact_lock, wait_seconds=_LOCK_SECONDS) as held:
            if not held:
                raise StoreError(f"a compaction of the store at {layout.root} is under way: try again later")
            recover(layout)
            make_folder(layout.tmp)
            yield from _purge_segments(layout, wanted, time.monotonic() + patience_seconds)
            yield _purge_parts(layout, wanted)
            shutil.rmtree(layout.tmp, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"cannot purge the store at {layout.root}: {reason(error)}") from error


def _purge_segments(layout: Layout, wanted: Wanted, deadline: float) -> Iterator[Purged]:
    done: list[tuple[int, int]] = []
    left: list[tuple[int, int]] = []
    for path in _released(layout, [path for path in layout.segments() if _holds(path, wanted)]):
        while (found := _purge_segment(layout, path, wanted)) is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if found is None:
            left.append(count_lines(path.read_bytes(), wanted))
        else:
            done.append(found)
    yield _purged(_SEGMENTS, done)
    if left:
        yield _purged(_SEGMENTS, left, is_left=True)


def _released(layout: Layout, segments: list[Path]) -> list[Path]:
    """The segments, those of living processes under names of which these know nothing."""
    if not segments:
        return []
    with publishing(layout):
        return [_renamed(path) for path in segments if path.exists()]


def _renamed(path: Path) -> Path:
    with dead_segment(path, time.time()) as is_dead:
        return path if is_dead else path.rename(_sibling(path))


def _sibling(path: Path) -> Path:
    """Another name of the same day, with which a segment's begins."""
    return path.with_name(f"{path.name[:10]}-purged-{uuid.uuid4().hex}.jsonl")


def _purge_segment(layout: Layout, path: Path, wanted: Wanted) -> tuple[int, int] | None:
    """What was taken out; None while the segment's owner may still write there."""
    with dead_segment(path, time.time()) as is_dead:
        if not is_dead:
            return None
        data = path.read_bytes()
        draft = layout.tmp / f"{uuid.uuid4().hex}.jsonl"
        kept = lines_without(data, wanted)
        if kept:
            write_atomically(draft, kept)
        publish(layout, [path], {draft: _sibling(path)} if kept else {})
        return count_lines(data, wanted)


def _holds(path: Path, wanted: Wanted) -> bool:
    with contextlib.suppress(FileNotFoundError):
        data = path.read_bytes()
        return len(lines_without(data, wanted)) < len(data)
    return False


def _purge_parts(layout: Layout, wanted: Wanted) -> Purged:
    with Parts(layout, wanted) as parts:
        comparisons = sum(map(parts.purge, layout.parts(Comparison)))
        return _purged(_PARTS, [(comparisons, sum(map(parts.purge, layout.parts(Truth))))])


def _purged(place: str, counts: list[tuple[int, int]], *, is_left: bool = False) -> Purged:
    comparisons, truths = sum(one for one, _ in counts), sum(two for _, two in counts)
    return Purged(place=place, comparisons=comparisons, truths=truths, is_left=is_left)
