"""`shadow-mw sql`: a question of one's own to a store, which can only be read."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from shadow_mw.cli.where import add_store_argument

if TYPE_CHECKING:
    from collections.abc import Sequence

SUMMARY = "ask a store a question in SQL; it can only read"
DESCRIPTION = (
    "Run one SELECT over the tables comparisons, tallies, truths and pulses (docs/records.md has their "
    "columns), in the SQL of the store: DuckDB's for a folder, else the server's. It can neither write nor "
    "read any other file. Exits with 1 when the question is wrong, with 4 when there is no readable store."
)
_LIMIT = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("query", metavar="QUERY", help='as in "SELECT verdict, count(*) FROM comparisons …"')
    add_store_argument(parser)
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", dest="form", action="store_const", const="json", help="one object a line")
    forms.add_argument("--csv", dest="form", action="store_const", const="csv", help="as CSV with a header")
    parser.add_argument(
        "--limit", metavar="N", type=_limit, default=_LIMIT, help=f"rows at most (default: {_LIMIT:,})"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the answer; the exit code."""
    from shadow_mw.cli.read_only import ask

    rows = ask(arguments.store, arguments.query, arguments.limit + 1)
    _WRITERS[arguments.form or "table"](rows[: arguments.limit])
    if len(rows) > arguments.limit:
        print(f"shadow-mw: only the first {arguments.limit:,} rows are shown; see --limit", file=sys.stderr)
    return 0


def _as_table(rows: Sequence[dict[str, Any]]) -> None:
    from shadow_mw.cli.forms.terminal import show_rows

    show_rows(rows)


def _as_json(rows: Sequence[dict[str, Any]]) -> None:
    from shadow_mw.cli.lines import as_json

    for row in rows:
        sys.stdout.write(as_json(row) + "\n")


def _as_csv(rows: Sequence[dict[str, Any]]) -> None:
    from shadow_mw.cli.lines import CsvLines

    if rows:
        lines = CsvLines(tuple(rows[0]))
        sys.stdout.write(lines.header())
        sys.stdout.writelines(map(lines.line, rows))


_WRITERS = {"table": _as_table, "json": _as_json, "csv": _as_csv}


def _limit(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows: give 1 or more")
    return number
