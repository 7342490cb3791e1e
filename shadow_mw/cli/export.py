"""`shadow-mw export`: comparisons as Parquet, CSV or JSON lines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shadow_mw.cli.choosing import add_only_argument
from shadow_mw.cli.scoping import add_scope_arguments
from shadow_mw.cli.where import add_store_argument

SUMMARY = "write a store's comparisons as Parquet, CSV or JSON lines"
DESCRIPTION = (
    "Write comparisons with all their columns into a file, or to stdout, in no order. However many there "
    "are, they are never all in memory. Lists and maps are JSON text in CSV. A text in CSV that a "
    "spreadsheet would run as a formula gets an apostrophe in front unless --raw is given; the other formats "
    "never change a value."
)
_FORMATS = ("parquet", "csv", "jsonl")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_store_argument(parser)
    parser.add_argument(
        "--format", choices=_FORMATS, help="default: what the name of --output ends in, else csv"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="the file to write (default: stdout)")
    add_scope_arguments(parser)
    add_only_argument(parser)
    parser.add_argument(
        "--where", metavar="SQL", help="a condition on the columns, as in \"delta > 0.5 AND mode = 'sync'\""
    )
    parser.add_argument("--raw", action="store_true", help="leave texts in CSV as they are")


def run(arguments: argparse.Namespace) -> int:
    """Write the comparisons; the exit code."""
    from shadow_mw.cli.exporting import Export

    form = arguments.format or _form_of(arguments.output)
    if arguments.output is None and form == "parquet" and sys.stdout.isatty():
        print("shadow-mw: Parquet is not for a terminal: name a file with --output", file=sys.stderr)
        return 2
    written = Export(arguments, form).write()
    if arguments.output is not None:
        noun = "comparison" if written == 1 else "comparisons"
        print(f"{written:,} {noun} written to {arguments.output}.")
    return 0


def _form_of(output: Path | None) -> str:
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    return suffix if suffix in _FORMATS else "csv"
