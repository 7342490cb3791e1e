"""The redo journal: what a compaction is about to put in place and take away."""

from __future__ import annotations

from pathlib import Path

import msgspec

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.files import sync_folder, write_atomically
from shadow_mw.stores.layout import PART_FOLDERS, Layout


class Journal(msgspec.Struct, frozen=True):
    """The files of one compaction, by paths within the store. Immutable."""

    sources: tuple[str, ...]
    """The hot segments that it replaces."""
    targets: tuple[str, ...]
    """The Parquet files that hold the same records."""

    def paths(self, layout: Layout, names: tuple[str, ...]) -> list[Path]:
        """Names within the store as paths."""
        return [layout.root / name for name in names]

    def is_done(self, layout: Layout) -> bool:
        """True when every target is in place, so that the sources are surplus."""
        return all(path.exists() for path in self.paths(layout, self.targets))

    def surplus(self, layout: Layout) -> list[Path]:
        """The files that count for nothing: the sources, or the targets while one of them is missing."""
        return self.paths(layout, self.sources if self.is_done(layout) else self.targets)


def read_journal(layout: Layout) -> Journal | None:
    """The journal that an unfinished compaction left, if there is one.

    Raises:
        StoreError: it is not one of ours.

    """
    try:
        journal = msgspec.json.decode(layout.journal.read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _damaged(layout, str(error)) from error
    # What it names is going to be deleted, and a store may have come from elsewhere.
    strange = [name for name in journal.sources + journal.targets if not _is_of_a_store(name)]
    if strange:
        raise _damaged(layout, f"it names {strange[0][:80]!r}, which no compaction makes")
    return journal


def _is_of_a_store(name: str) -> bool:
    """True for `hot/SEGMENT` and for `cold/dt=DAY/PART` and its kin."""
    folder, *rest = name.split("/")
    parents = {"hot": 1, **dict.fromkeys(PART_FOLDERS.values(), 2)}
    is_plain = all(part not in ("", ".", "..") and "\0" not in part for part in rest)
    return len(rest) == parents.get(folder) and is_plain


def _damaged(layout: Layout, why: str) -> StoreError:
    return StoreError(f"{layout.journal} is damaged ({why}): delete it, some records may then count twice")


def write_journal(layout: Layout, journal: Journal) -> None:
    """Put the journal in place, whole."""
    write_atomically(layout.journal, msgspec.json.encode(journal))


def settle(layout: Layout, journal: Journal) -> None:
    """Finish an interrupted compaction, or roll it back; the caller holds the publish lock."""
    for path in journal.surplus(layout):
        path.unlink(missing_ok=True)
    for name in {Path(name).parent for name in journal.sources + journal.targets}:
        if (layout.root / name).is_dir():
            sync_folder(layout.root / name)
    layout.journal.unlink()
    sync_folder(layout.root)
