"""Compacted files of which some records are to be purged."""

from __future__ import annotations

import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.columns import literal
from shadow_mw.stores.compaction import publish
from shadow_mw.stores.engine import connect, first_line
from shadow_mw.stores.files import sync_file
from shadow_mw.stores.layout import Layout
from shadow_mw.stores.opened import Opened
from shadow_mw.wanted import Wanted

if TYPE_CHECKING:
    import duckdb


class Parts(Opened):
    """Counts and purges in Parquet files; DuckDB is opened for the first of them. A context manager."""

    def __init__(self, layout: Layout, wanted: Wanted) -> None:
        """Take what is to go."""
        self._layout = layout
        self._wanted = wanted
        self._spill = TemporaryDirectory(prefix="shadow-mw-", ignore_cleanup_errors=True)
        self._database: duckdb.DuckDBPyConnection | None = None

    def close(self) -> None:
        """Give memory and files back."""
        if self._database is not None:
            self._database.close()
        self._spill.cleanup()

    def count(self, part: Path) -> int:
        """How many records of a file are wanted.

        Raises:
            StoreError: the file cannot be read.
            MissingExtraError: DuckDB is not installed.

        """
        return self._ask(f"SELECT count(*) FROM {_table(part)} WHERE {self._wanted.sql}", part)  # noqa: S608 - quoted, and question marks

    def purge(self, part: Path) -> int:
        """Put a file without them in its place; how many there were.

        Raises:
            StoreError: the file cannot be read or written.
            MissingExtraError: DuckDB is not installed.

        """
        found = self.count(part)
        if found:
            draft = self._layout.tmp / f"part-{uuid.uuid4()}.parquet"
            kept = self._ask(
                f"COPY (SELECT * FROM {_table(part)} WHERE NOT coalesce({self._wanted.sql}, false) "  # noqa: S608 - as above
                f"ORDER BY ts_us) TO {literal(draft)} (FORMAT parquet, COMPRESSION zstd)",
                part,
            )
            if kept:
                sync_file(draft)
            publish(self._layout, [part], {draft: part.with_name(draft.name)} if kept else {})
        return found

    def _ask(self, sql: str, part: Path) -> int:
        if self._database is None:
            self._database = connect("Purging compacted files", Path(self._spill.name), threads=1)
        import duckdb

        try:
            (number,) = self._database.execute(sql, self._wanted.parameters).fetchall()[0]
        except duckdb.Error as error:
            raise StoreError(f"{part} cannot be purged: {first_line(error)}") from error
        return int(number)


def _table(part: Path) -> str:
    return f"read_parquet({literal(part)}, hive_partitioning=false)"
