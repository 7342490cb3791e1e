"""`shadow-mw report`: what a store says about its shadows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shadow_mw.cli.where import add_store_argument, store_folder

if TYPE_CHECKING:
    from shadow_mw.report import Report

SUMMARY = "agreement, coverage, latency and the closed books of a store"
DESCRIPTION = (
    "Print agreement with its 95 % interval, coverage, error rates, latencies and the closed books of every "
    "shadow in a store. Exits with 4 when there is no readable store."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_store_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the exit code."""
    folder = store_folder(arguments.store)
    report = read_report(folder)
    if arguments.json:
        print_json(report)
    else:
        print_tables(report, folder)
    return 0


def read_report(folder: Path) -> Report:
    """The report over the store in a folder.

    Raises:
        StoreError: the store could not be read.
        MissingExtraError: DuckDB is not installed.

    """
    from shadow_mw.report import make_report
    from shadow_mw.stores.reader import open_reader

    with open_reader(folder) as reader:
        return make_report(reader)


def print_json(report: Report) -> None:
    """Print the report as indented JSON."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")


def print_tables(report: Report, folder: Path) -> None:
    """Print the report for a person; without colour where stdout is no terminal.

    Raises:
        MissingExtraError: rich is not installed.

    """
    from shadow_mw.cli.tables import show_report

    show_report(report, folder)
