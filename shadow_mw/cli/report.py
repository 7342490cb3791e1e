"""`shadow-mw report`: what a store says about its shadows."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shadow_mw.cli.where import add_store_argument, store_name
from shadow_mw.store_urls import shown

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
    store = store_name(arguments.store)
    report = read_report(store)
    if arguments.json:
        print_json(report)
    else:
        print_tables(report, store)
    return 0


def read_report(store: Path | str) -> Report:
    """The report over the store in a folder, or over a server's by its URL.

    Raises:
        StoreError: the store could not be read.
        MissingExtraError: DuckDB, or the server's driver, is not installed.

    """
    from shadow_mw.assembly.stores import open_reader
    from shadow_mw.report import make_report

    with contextlib.closing(open_reader(store)) as reader:
        return make_report(reader)


def print_json(report: Report) -> None:
    """Print the report as indented JSON."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")


def print_tables(report: Report, store: Path | str) -> None:
    """Print the report for a person; without colour where stdout is no terminal.

    Raises:
        MissingExtraError: rich is not installed.

    """
    from shadow_mw.cli.tables import show_report

    show_report(report, shown(str(store)))
