"""Which records the embedded store has already: followed as it grows, so that nothing is read twice."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from shadow_mw.exceptions import StoreError
from shadow_mw.records import Comparison
from shadow_mw.stores.columns import records as sql_of
from shadow_mw.stores.columns import tag
from shadow_mw.stores.engine import connect, first_line
from shadow_mw.stores.inventory import inventory, unchanged
from shadow_mw.stores.layout import Layout, day_of, utc_day

_ATTEMPTS = 5
_DAY_SECONDS = 86_400
_KIND = tag(Comparison)


class _Line(msgspec.Struct):
    """What matters of a line."""

    kind: str = ""
    record_id: str = ""


class _Gone(Exception):
    """A compacted file is not there any more."""


class KeptRecords:
    """Tells which of some records are in a store's folder. Not thread-safe.

    Holds the ids of what is not compacted yet and was written since the day before the oldest request that
    it was asked for: about 140 bytes each. Asks compacted files with DuckDB.
    """

    def __init__(self, folder: Path | str) -> None:
        """Name the folder; nothing is read before the first question."""
        self._layout = Layout(folder)
        self._followed: dict[Path, _Followed] = {}

    def __repr__(self) -> str:
        """Name the folder."""
        return f"KeptRecords({str(self._layout.root)!r})"

    def known(self, records: Sequence[tuple[str, int]]) -> frozenset[str]:
        """The ids that are in the store, of records given as (record id, microseconds of Unix time).

        Raises:
            StoreError: there is no store, or it cannot be read.

        """
        if not records:
            return frozenset()
        self._layout.check()
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(_Gone), unchanged(self._layout):
                return self._known(records)
        raise StoreError(f"files of the store at {self._layout.root} go away while they are read")

    def close(self) -> None:
        """Forget what was read."""
        self._followed.clear()

    def _known(self, records: Sequence[tuple[str, int]]) -> frozenset[str]:
        files = inventory(self._layout)
        # A record is written after its request was made, by clocks that are less than a day apart.
        since = utc_day(min(moment for _, moment in records) / 1e6 - _DAY_SECONDS)
        found = self._in_segments([path for path in files.segments if day_of(path) >= since], records)
        parts = [path for path in files.parts[Comparison] if day_of(path) >= since]
        left = [record for record in records if record[0] not in found]
        return frozenset(found | self._in_parts(parts, left) if parts and left else found)

    def _in_segments(self, segments: Sequence[Path], records: Sequence[tuple[str, int]]) -> set[str]:
        """Those among the lines; what is known of segments that are gone is forgotten."""
        self._followed = {path: self._followed.get(path) or _Followed(path) for path in segments}
        asked = {record_id for record_id, _ in records}
        found: set[str] = set()
        for followed in self._followed.values():
            followed.go_on()
            found |= asked & followed.ids
        return found

    def _in_parts(self, parts: Sequence[Path], records: Sequence[tuple[str, int]]) -> set[str]:
        """Those in compacted files."""
        import duckdb

        moments = [moment for _, moment in records]
        marks = ", ".join("?" * len(records))
        sql = (
            f"SELECT record_id FROM ({sql_of(Comparison, parts)}) "  # noqa: S608 - quoted, and question marks
            f"WHERE ts_us >= ? AND ts_us <= ? AND record_id IN ({marks})"
        )
        asked = [min(moments), max(moments), *(record_id for record_id, _ in records)]
        with tempfile.TemporaryDirectory(prefix="shadow-mw-", ignore_cleanup_errors=True) as spill:
            try:
                with contextlib.closing(connect("Reading the store", Path(spill), threads=2)) as database:
                    return {record_id for (record_id,) in database.execute(sql, asked).fetchall()}
            except duckdb.IOException as error:
                raise _Gone from error
            except duckdb.Error as error:
                message = f"the store at {self._layout.root} could not be queried: {first_line(error)}"
                raise StoreError(message) from error


class _Followed:
    """The ids in one segment, which may still grow."""

    __slots__ = ("_path", "_read", "ids")
    _decode = msgspec.json.Decoder(_Line).decode

    def __init__(self, path: Path) -> None:
        """Begin at its start."""
        self._path = path
        self._read = 0
        self.ids: set[str] = set()

    def go_on(self) -> None:
        """Read what has been written since, to the end of the last whole line."""
        with contextlib.suppress(FileNotFoundError):  # too old for the store
            size = self._path.stat().st_size
            if size < self._read:  # a batch that could not be kept was taken back
                self._read = 0
                self.ids.clear()
            if size > self._read:
                self._take_lines()

    def _take_lines(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                with contextlib.suppress(msgspec.DecodeError):
                    found = self._decode(line)
                    if found.kind == _KIND:
                        self.ids.add(found.record_id)
