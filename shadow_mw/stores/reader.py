"""The reading side of the embedded store: SQL over all records, hot and compacted."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.columns import lines, records
from shadow_mw.stores.dialects import DuckDBDialect
from shadow_mw.stores.engine import connect, first_line
from shadow_mw.stores.inventory import inventory, unchanged
from shadow_mw.stores.layout import TABLES, Layout
from shadow_mw.stores.opened import Opened

_ATTEMPTS = 5
#: Half of what the database may take of memory.
_HOT_BYTES = 256 * 2**20


class StoreReader(Opened):
    """A view of a store as it was when it was opened; a context manager. Not thread-safe.

    Its tables, `comparisons`, `tallies`, `truths` and `pulses`, have the fields of the structs in `records`
    as columns: texts VARCHAR, counts and microseconds BIGINT, `diff_paths` VARCHAR[], `segments`
    MAP(VARCHAR, VARCHAR), `counts` MAP(VARCHAR, BIGINT). A delta or score that was NaN or infinite is NULL.
    Over 256 MiB of segments that are being written may yet grow between two queries; less is read once. It
    never writes into the store, so read permission is enough.
    """

    def __init__(self, layout: Layout) -> None:
        """Open over a store that was checked; use `open_reader`."""
        self._layout = layout
        self._spill = tempfile.TemporaryDirectory(prefix="shadow-mw-", ignore_cleanup_errors=True)
        try:
            self._database = connect("Reading the store", Path(self._spill.name), threads=2)
        except BaseException:
            self._spill.cleanup()
            raise
        self._is_defined = False

    def __repr__(self) -> str:
        """Name the folder."""
        return f"StoreReader({str(self._layout.root)!r})"

    @property
    def dialect(self) -> DuckDBDialect:
        """DuckDB's."""
        return DuckDBDialect()

    def close(self) -> None:
        """Give memory and files back."""
        self._database.close()
        self._spill.cleanup()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The rows that a query in DuckDB's SQL yields, by column name; `?` stands for a parameter.

        Raises:
            StoreError: the query is wrong, or a file cannot be read.

        """
        import duckdb

        try:
            with contextlib.suppress(duckdb.IOException):
                return self._rows(sql, parameters)
            # A file went away since the snapshot. Retention seldom does that; compactions wait for us now.
            for _ in range(_ATTEMPTS - 1):
                with contextlib.suppress(duckdb.IOException), unchanged(self._layout):
                    self._define_tables()
                    return self._rows(sql, parameters)
            return self._rows(sql, parameters)
        except duckdb.Error as error:
            message = f"the store at {self._layout.root} could not be queried: {first_line(error)}"
            raise StoreError(message) from error

    def _rows(self, sql: str, parameters: Sequence[object]) -> list[dict[str, Any]]:
        if not self._is_defined:
            with unchanged(self._layout):
                self._define_tables()
        cursor = self._database.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _define_tables(self) -> None:
        files = inventory(self._layout)
        hot = self._hot(files.segments)
        for name, kind in TABLES.items():
            query = records(kind, files.parts[kind], hot)
            self._database.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
        self._is_defined = True

    def _hot(self, segments: list[Path]) -> str:
        """The lines as a table; read once where they fit into memory, so that no question does it again."""
        if not segments:
            return ""
        source = lines(segments, *TABLES.values())
        if sum(map(_size, segments)) > _HOT_BYTES:
            return source
        # A view that names the table would keep it from being replaced.
        for name in TABLES:
            self._database.execute(f"DROP VIEW IF EXISTS {name}")
        self._database.execute(
            f"CREATE OR REPLACE TABLE hot AS SELECT * FROM {source} WHERE kind IS NOT NULL"  # noqa: S608 - quoted
        )
        return "hot"


def open_reader(folder: Path | str) -> StoreReader:
    """Open a store for queries, as it is now.

    Raises:
        StoreError: there is no store or it cannot be read; the message says how to mend it.
        MissingExtraError: DuckDB is not installed.

    """
    layout = Layout(folder)
    layout.check()
    reader = StoreReader(layout)
    try:
        reader.rows("SELECT 1")
    except BaseException:
        reader.close()
        raise
    return reader


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
