"""The places in a store's folder, and the version of their arrangement."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
from collections.abc import Iterator
from pathlib import Path

from shadow_mw.exceptions import StoreError, StoreNotFound
from shadow_mw.records import Comparison, Pulse, Tally, Truth
from shadow_mw.stores.files import make_folder, write_atomically

FORMAT_VERSION = "1"

#: The kinds of record, each with the folder of its compacted parts.
PART_FOLDERS: dict[type, str] = {
    Comparison: "cold",
    Tally: "tallies",
    Truth: "truths",
    Pulse: "pulses",
}
#: The same kinds, each with the table that it is read as.
TABLES: dict[str, type] = {"comparisons": Comparison, "tallies": Tally, "truths": Truth, "pulses": Pulse}


class Layout:
    """Where everything of one store is. Immutable.

    ::

        FORMAT          the version of this arrangement
        hot/            <utc day>-<host>-<pid>-<ns>-<seq>.jsonl, one a writer, locked while that lives
        cold/           dt=<utc day of writing>/part-<uuid>.parquet, comparisons
        tallies/        the same for tallies, as are truths/ and pulses/
        tmp/            what a compaction is making
        journal.json    what a compaction is about to put in place and take away
        compact.lock    held by the one compaction
        gate.lock       passed on the way to the next, so that whoever waits for that gets it
        publish.lock    held for a moment: shared to list files, exclusive to put compacted ones in place
    """

    def __init__(self, folder: Path | str) -> None:
        """Name the folder; nothing is touched yet."""
        self.root = Path(folder)
        self.hot = self.root / "hot"
        self.tmp = self.root / "tmp"
        self.journal = self.root / "journal.json"
        self.compact_lock = self.root / "compact.lock"
        self.gate_lock = self.root / "gate.lock"
        self.publish_lock = self.root / "publish.lock"
        self._format = self.root / "FORMAT"

    def prepare(self) -> None:
        """Make the folders for a writer.

        Raises:
            StoreError: the folder belongs to something else or to another version.
            OSError: the disk does not let us.

        """
        make_folder(self.root)
        if not self._format.exists():
            self._found()
        self._check_version()
        for path in (self.compact_lock, self.gate_lock, self.publish_lock):
            if not path.exists():
                path.touch(mode=0o600)
        make_folder(self.hot)

    def check(self) -> None:
        """Make sure that there is a store to read.

        Raises:
            StoreError: there is none, or it cannot be read; the message says how to mend it.

        """
        with readable(self.root):
            if not self.root.exists():
                raise StoreNotFound(
                    f"there is no store at {self.root}: give the folder that SHADOW_STORE names in the app, "
                    "or mirror some traffic first"
                )
            if not self._format.exists():
                raise self._no_store()
            self._check_version()

    def segments(self) -> list[Path]:
        """The hot segments, oldest day first."""
        return [path for path in _listed(self.hot) if path.suffix == ".jsonl"]

    def parts(self, kind: type) -> list[Path]:
        """The compacted files of one kind of record, oldest day first."""
        days = (day for day in _listed(self.root / PART_FOLDERS[kind]) if day.name.startswith("dt="))
        return [path for day in days for path in _listed(day) if path.suffix == ".parquet"]

    def day_folder(self, kind: type, day: str) -> Path:
        """Where the compacted files of a day belong."""
        return self.root / PART_FOLDERS[kind] / f"dt={day}"

    def _found(self) -> None:
        if any(not _is_ours(path.name) for path in self.root.iterdir()):
            raise self._no_store()
        # Records hold what people sent: they must not slip into a repository.
        write_atomically(self.root / ".gitignore", b"*\n")
        write_atomically(self._format, FORMAT_VERSION.encode() + b"\n")

    def _check_version(self) -> None:
        version = self._format.read_text(encoding="utf-8", errors="replace").strip()
        if version != FORMAT_VERSION:
            raise StoreError(
                f"the store at {self.root} has format {version[:20]!r}, and this shadow-mw knows only "
                f"{FORMAT_VERSION!r}: upgrade shadow-mw or name another folder"
            )

    def _no_store(self) -> StoreError:
        if not self.root.is_dir():
            return StoreError(f"{self.root} is a file and no store: name a folder")
        if any(not _is_ours(path.name) for path in self.root.iterdir()):
            return StoreError(
                f"{self.root} is no store, it holds other files: name a folder that is new or empty"
            )
        return StoreNotFound(f"{self.root} is empty, there is nothing to read yet: mirror some traffic first")


def utc_day(unix_seconds: float) -> str:
    """The UTC day of a moment, as `2026-11-22`."""
    return dt.datetime.fromtimestamp(unix_seconds, dt.timezone.utc).date().isoformat()


def day_of(path: Path) -> str:
    """The UTC day on which the records in a segment or a compacted file were written."""
    return path.name[:10] if path.suffix == ".jsonl" else path.parent.name.removeprefix("dt=")


def reason(error: OSError) -> str:
    """What the operating system says, in words alone."""
    return error.strerror or str(error)


def _listed(folder: Path) -> list[Path]:
    """What is in a folder, sorted, nothing where it is missing. Unlike `Path.glob` it reports a refusal."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def readable(root: Path) -> Iterator[None]:
    """Turn the operating system's refusal into a sentence."""
    try:
        yield
    except OSError as error:
        raise StoreError(_refusal(root, error)) from error


def _refusal(root: Path, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"the store at {root} may not be read by this user: give read permission on {error.filename}"
    return f"the store at {root} cannot be read: {reason(error)}"


def _is_ours(name: str) -> bool:
    """True for what may lie in a folder before its `FORMAT` does: another process may be founding it too."""
    return name.startswith((".", "FORMAT", "lost+found")) or name.endswith(".lock")
