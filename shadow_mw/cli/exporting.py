"""An export: comparisons from any store into one file, a page or a row group at a time."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shadow_mw.cli.choosing import conditions
from shadow_mw.cli.lines import FORMULA, NUMBER, as_json
from shadow_mw.cli.read_only import check_select
from shadow_mw.cli.where import store_name
from shadow_mw.exceptions import PayloadError
from shadow_mw.records import Comparison
from shadow_mw.store_urls import is_url

if TYPE_CHECKING:
    from shadow_mw.protocols import Reader

_PAGE = 5000
_STDOUT = Path("/dev/stdout")
_OPTIONS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "csv": "FORMAT csv, HEADER",
    "jsonl": "FORMAT json",
}
#: To keep the order DuckDB would hold in memory what one thread has written ahead of another.
_ANY_ORDER = "SET preserve_insertion_order = false"
_PAGES = """
SELECT * FROM comparisons
WHERE ({chosen}) AND (ts_us > ? OR (ts_us = ? AND record_id > ?))
ORDER BY ts_us, record_id LIMIT {page}
"""


class Export:
    """One run of `shadow-mw export`.

    From a folder DuckDB copies into the file. What goes to stdout is staged in a temporary Parquet file, and
    what comes from a server, page by page, in temporary JSON lines: so a failure leaves nothing half
    written, and no store has to hold still for long.
    """

    def __init__(self, arguments: argparse.Namespace, form: str) -> None:
        """Take what the command line says, and the format.

        Raises:
            PayloadError: `--where` is no condition, or the file cannot be where it is to be.

        """
        self._store = store_name(arguments.store)
        self._form = form
        self._is_raw = arguments.raw
        self._output: Path | None = arguments.output
        self._chosen, self._parameters = conditions(arguments)
        if arguments.where:
            self._chosen += f" AND (\n{arguments.where}\n)"
        if not is_url(self._store):
            check_select(f"SELECT 1 FROM comparisons WHERE {self._chosen.replace('?', 'NULL')}")  # noqa: S608 - the person's own condition
        self._rows = f"SELECT * FROM comparisons WHERE {self._chosen}"  # noqa: S608 - the person's own condition
        if self._output is not None:
            _check_output(self._output)

    def __repr__(self) -> str:
        """The format and where it goes."""
        return f"Export({self._form!r}, {str(self._output or _STDOUT)!r})"

    def write(self) -> int:
        """Write all that was chosen; how many comparisons.

        Raises:
            StoreError: the store could not be read, or the file not be written.
            MissingExtraError: the library that reads the store is not installed.

        """
        from shadow_mw.assembly.stores import open_reader

        with closing(open_reader(self._store)) as reader, tempfile.TemporaryDirectory() as spill:
            if not is_url(self._store):
                reader.rows(_ANY_ORDER)
            if self._output is not None and not is_url(self._store):
                return self._copied(reader)
            staged = self._of_server(reader, spill) if is_url(self._store) else self._of_folder(reader, spill)
            return self._written(staged, Path(spill))

    def _of_folder(self, reader: Reader, folder: str) -> str:
        """What was chosen of a folder, staged; its SQL."""
        staged = Path(folder, "staged.parquet")
        reader.rows(_copy(self._rows, staged, "parquet"), self._parameters)
        return f"SELECT * FROM read_parquet('{staged}')"  # noqa: S608 - our own path

    def _of_server(self, reader: Reader, folder: str) -> str:
        """What was chosen of a server, staged; its SQL."""
        from shadow_mw.stores.columns import lines, records

        staged = Path(folder, "staged.jsonl")
        with staged.open("w", encoding="utf-8") as file:
            file.writelines(as_json({"kind": "comparison", **row}) + "\n" for row in self._pages(reader))
        return records(Comparison, hot=lines([staged], Comparison))

    def _copied(self, reader: Reader) -> int:
        assert self._output is not None
        sql = _copy(self._shaped(self._rows), self._output, self._form)
        (done,) = reader.rows(sql, self._parameters)
        return int(next(iter(done.values())))

    def _pages(self, reader: Reader) -> Iterator[dict[str, Any]]:
        """All rows of a server, ordered by time."""
        sql = _PAGES.format(chosen=self._chosen, page=_PAGE)
        last: tuple[int, str] = (-(2**62), "")
        while True:
            page = reader.rows(sql, [*self._parameters, last[0], *last])
            yield from page
            if len(page) < _PAGE:
                return
            last = (page[-1]["ts_us"], page[-1]["record_id"])

    def _written(self, rows: str, spill: Path) -> int:
        """Write staged rows; a reader of our stdout that went away is not a fault of the store."""
        from shadow_mw.stores.engine import connect, first_line

        sql = _copy(self._shaped(rows), self._output or _STDOUT, self._form)
        with connect("Exporting", spill, threads=2) as database:
            import duckdb

            database.execute(_ANY_ORDER)
            try:
                done = database.execute(sql).fetchone()
            except duckdb.IOException as error:
                if self._output is None and "Broken pipe" in str(error):
                    raise BrokenPipeError from None
                raise PayloadError(f"the export could not be written: {first_line(error)}") from None
        return int(done[0]) if done else 0

    def _shaped(self, rows: str) -> str:
        """The rows as the format has them."""
        if self._form != "csv":
            return rows
        from shadow_mw.stores.shapes import fields

        columns = ", ".join(
            _csv_column(field.column, field.shape, self._is_raw) for field in fields(Comparison)
        )
        return f"SELECT {columns} FROM ({rows})"  # noqa: S608 - our own columns


def _copy(rows: str, output: Path, form: str) -> str:
    quoted = str(output).replace("'", "''")
    return f"COPY ({rows}) TO '{quoted}' ({_OPTIONS[form]})"


def _csv_column(column: str, shape: str, is_raw: bool) -> str:
    if shape in ("texts", "words"):
        return f"CAST(to_json({column}) AS VARCHAR) AS {column}"
    if is_raw or shape != "text":
        return column
    is_formula = f"regexp_matches({column}, '{FORMULA}') AND NOT regexp_matches({column}, '{NUMBER}')"
    return f"CASE WHEN {is_formula} THEN '''' || {column} ELSE {column} END AS {column}"


def _check_output(output: Path) -> None:
    if output.is_dir():
        raise PayloadError(f"{output} is a folder: name a file")
    if not output.absolute().parent.is_dir():
        raise PayloadError(f"there is no folder {output.absolute().parent} to write {output.name} into")
