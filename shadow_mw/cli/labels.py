"""`shadow-mw labels`: truths that came later, joined by the request id."""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shadow_mw.cli.where import add_store_argument, store_name
from shadow_mw.exceptions import PayloadError
from shadow_mw.figures import counted
from shadow_mw.records import Truth

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from shadow_mw.digests import Digest

SUMMARY = "tell a store the right predictions, so that it knows how accurate both sides are"
DESCRIPTION = (
    "Read a CSV, Parquet or JSON-lines file with a request id and a truth in each row, and write the truths "
    "into a store. Then report, gate and dashboard show the accuracy of production and shadow on the same "
    "requests. Of several truths for a request the latest counts. Where SHADOW_CAPTURE keeps predictions as "
    "hashes, it does so with truths."
)

_READERS = {
    ".csv": "read_csv(?, all_varchar=true, header=true)",
    ".tsv": "read_csv(?, all_varchar=true, header=true, delim='\t')",
    ".parquet": "read_parquet(?)",
    ".jsonl": "read_json(?, format='newline_delimited')",
    ".ndjson": "read_json(?, format='newline_delimited')",
}
_BATCH = 5000
_LARGEST_WHOLE = 2.0**53


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("file", metavar="FILE", type=Path, help=f"one of {', '.join(_READERS)}")
    parser.add_argument("--id-column", metavar="NAME", default="request_id", help="default: request_id")
    parser.add_argument("--truth-column", metavar="NAME", default="truth", help="default: truth")
    add_store_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the truths; the exit code."""
    from shadow_mw.assembly.stores import make_store
    from shadow_mw.captures import parse_capture
    from shadow_mw.digests import Digest
    from shadow_mw.settings import load_settings

    settings = load_settings(store=store_name(arguments.store))
    store = make_store(settings)
    assert store is not None  # `store_name` refuses a store that keeps nothing
    written = 0
    rows = read_truths(arguments.file, arguments.id_column, arguments.truth_column)
    if parse_capture(settings.capture).record_predictions == "hash":
        rows = map(partial(_hashed, Digest(settings.redact_key)), rows)
    try:
        while batch := list(islice(rows, _BATCH)):
            store.write(batch)
            written += len(batch)
    finally:
        store.close()
    print(f"{counted(written, 'truth')} written.")
    return 0


def read_truths(file: Path, id_column: str, truth_column: str) -> Iterator[Truth]:
    """The truths in a file, in its order; rows without an id or a truth are left out.

    Raises:
        PayloadError: the file is none of ours, or lacks a column; the message names those it has.
        MissingExtraError: DuckDB is not installed.

    """
    if not file.is_file():
        raise PayloadError(f"there is no file {file}")
    suffix = file.suffix.lower()
    if suffix not in _READERS:
        raise PayloadError(f"{file} is none of {', '.join(_READERS)}: name it after what it holds")
    from shadow_mw.stores.engine import connect, first_line

    with (
        tempfile.TemporaryDirectory() as spill,
        connect("Reading truths", Path(spill), threads=2) as database,
    ):
        import duckdb

        try:
            rows = database.execute(f"SELECT * FROM {_READERS[suffix]}", [str(file)])  # noqa: S608 - ours
            yield from _truths(rows, file, id_column, truth_column)
        except duckdb.Error as error:
            raise PayloadError(f"{file} could not be read: {first_line(error)}") from None


def _truths(rows: DuckDBPyConnection, file: Path, id_column: str, truth_column: str) -> Iterator[Truth]:
    names = [column[0] for column in rows.description or ()]
    for name in (id_column, truth_column):
        if name not in names:
            raise PayloadError(f"{file} has no column {name!r}; it has {', '.join(names)}")
    id_place, truth_place = names.index(id_column), names.index(truth_column)
    now_us = int(time.time() * 1e6)
    while found := rows.fetchmany(_BATCH):
        for row in found:
            truth = _truth(row[id_place], row[truth_place], now_us)
            if truth is not None:
                yield truth


def _truth(request_id: Any, truth: Any, now_us: int) -> Truth | None:
    if request_id in (None, "") or truth in (None, ""):
        return None
    text = str(truth).lower() if isinstance(truth, bool) else str(truth)
    value = _number(text)
    # A column of whole numbers with gaps in it is often written as 8.0, and the label is 8.
    is_whole = value is not None and value.is_integer() and abs(value) < _LARGEST_WHOLE
    text = str(int(value)) if is_whole and value is not None else text
    return Truth(ts_us=now_us, request_id=str(request_id), truth=text, value=value)


def _hashed(digest: Digest, truth: Truth) -> Truth:
    """A truth as labels are kept where predictions are hashed."""
    return msgspec.structs.replace(truth, truth=digest(truth.truth), value=None)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
