"""Compaction: hot segments of dead processes become Parquet, six times smaller and quick to query."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shadow_mw.exceptions import StoreError
from shadow_mw.records import Comparison, Pulse, Tally, Truth
from shadow_mw.stores.columns import lines, literal, records
from shadow_mw.stores.engine import connect, first_line
from shadow_mw.stores.files import make_folder, sync_file, sync_folder
from shadow_mw.stores.journal import Journal, read_journal, settle, write_journal
from shadow_mw.stores.layout import PART_FOLDERS, Layout, day_of, reason
from shadow_mw.stores.locks import locked
from shadow_mw.stores.publication import publishing
from shadow_mw.stores.retention import dead_segment

if TYPE_CHECKING:
    import duckdb

_GROUP_BYTES = 64 * 2**20
_GROUP_FILES = 200


class Compacted(msgspec.Struct, frozen=True, kw_only=True):
    """What a compaction did. Immutable."""

    segments: int = 0
    """The hot segments that were taken in."""
    comparisons: int = 0
    tallies: int = 0
    truths: int = 0
    pulses: int = 0
    damaged_lines: int = 0
    """Complete lines that held no record; nothing of ours writes such."""
    is_busy: bool = False
    """True when another compaction was under way, so that nothing was done here."""

    def __add__(self, other: Compacted) -> Compacted:
        """Both together."""
        return Compacted(
            segments=self.segments + other.segments,
            comparisons=self.comparisons + other.comparisons,
            tallies=self.tallies + other.tallies,
            truths=self.truths + other.truths,
            pulses=self.pulses + other.pulses,
            damaged_lines=self.damaged_lines + other.damaged_lines,
        )


def compact(
    folder: Path | str,
    *,
    group_bytes: int = _GROUP_BYTES,
    clock: Callable[[], float] = time.time,
    on_step: Callable[[str], None] = lambda _: None,
) -> Compacted:
    """Put all hot segments of dead processes into Parquet, in groups of about `group_bytes`.

    May run beside writers and readers, and be killed at any moment: the next one finishes or undoes what
    was begun. `on_step` is told the name of each step once it is done.

    Raises:
        StoreError: there is no store, or it cannot be read or written.
        MissingExtraError: DuckDB is not installed.

    """
    layout = Layout(folder)
    layout.check()
    try:
        with locked(layout.compact_lock) as held:
            return _compact(layout, group_bytes, clock, on_step) if held else Compacted(is_busy=True)
    except OSError as error:
        raise StoreError(f"cannot compact the store at {layout.root}: {reason(error)}") from error


def _compact(
    layout: Layout, group_bytes: int, clock: Callable[[], float], on_step: Callable[[str], None]
) -> Compacted:
    recover(layout)
    make_folder(layout.tmp)
    done = Compacted()
    with contextlib.closing(connect("Compacting the store", layout.tmp / "spill", threads=1)) as database:
        for candidates in _candidates(layout, group_bytes):
            with _dead(candidates, clock()) as segments:
                if segments:
                    done += _compact_group(layout, database, segments, on_step)
    shutil.rmtree(layout.tmp, ignore_errors=True)
    return done


def recover(layout: Layout) -> None:
    """Deal with what a killed compaction left; the caller holds the compact lock."""
    if journal := read_journal(layout):
        with publishing(layout):
            settle(layout, journal)
    shutil.rmtree(layout.tmp, ignore_errors=True)


def _candidates(layout: Layout, group_bytes: int) -> Iterator[list[Path]]:
    """Segments of one day, about `group_bytes` together. An empty one is new, and left alone."""
    for _, segments in itertools.groupby(layout.segments(), key=day_of):
        group: list[Path] = []
        size = 0
        for segment in segments:
            length = _size(segment)
            if group and (size + length > group_bytes or len(group) == _GROUP_FILES):
                yield group
                group, size = [], 0
            if length:
                group.append(segment)
                size += length
        if group:
            yield group


@contextlib.contextmanager
def _dead(candidates: Sequence[Path], now: float) -> Iterator[list[Path]]:
    """Those whose owner is dead, locked for the block so that retention leaves them alone."""
    with contextlib.ExitStack() as stack:
        yield [path for path in candidates if stack.enter_context(dead_segment(path, now))]


def _compact_group(
    layout: Layout,
    database: duckdb.DuckDBPyConnection,
    segments: Sequence[Path],
    on_step: Callable[[str], None],
) -> Compacted:
    lines = sum(map(_count_lines, segments))
    parts: dict[Path, Path] = {}
    counts: dict[type, int] = {}
    for kind in PART_FOLDERS:
        draft = layout.tmp / f"part-{uuid.uuid4()}.parquet"
        counts[kind] = _copy(database, kind, segments, draft)
        if counts[kind]:
            sync_file(draft)
            parts[draft] = layout.day_folder(kind, day_of(segments[0])) / draft.name
    on_step("drafted")
    publish(layout, segments, parts, on_step)
    return Compacted(
        segments=len(segments),
        comparisons=counts[Comparison],
        tallies=counts[Tally],
        truths=counts[Truth],
        pulses=counts[Pulse],
        damaged_lines=max(lines - sum(counts.values()), 0),
    )


def _copy(database: duckdb.DuckDBPyConnection, kind: type, segments: Sequence[Path], draft: Path) -> int:
    """Write the records of one kind to a Parquet file, and say how many."""
    import duckdb

    try:
        (count,) = database.execute(
            f"COPY ({records(kind, hot=lines(segments, kind))} ORDER BY ts_us) TO {literal(draft)} "
            "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)"
        ).fetchall()[0]
    except duckdb.Error as error:
        raise StoreError(f"cannot compact {segments[0].parent}: {first_line(error)}") from error
    return int(count)


def publish(
    layout: Layout,
    files: Sequence[Path],
    drafts: Mapping[Path, Path],
    on_step: Callable[[str], None] = lambda _: None,
) -> None:
    """Put the drafts, each with its place, in place of files, so that a reader sees either and never both."""
    sources = tuple(path.relative_to(layout.root).as_posix() for path in files)
    targets = tuple(path.relative_to(layout.root).as_posix() for path in drafts.values())
    journal = Journal(sources=sources, targets=targets)
    with publishing(layout):
        write_journal(layout, journal)
        on_step("journalled")
        for draft, target in drafts.items():
            make_folder(target.parent.parent)
            make_folder(target.parent)
            draft.rename(target)
            sync_folder(target.parent)
            on_step("renamed")
        for source in files:
            source.unlink(missing_ok=True)
            on_step("unlinked")
        settle(layout, journal)
    on_step("settled")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**20), b""))
