"""`shadow-mw doctor`: whether a store is whole, and how to mend it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from shadow_mw.cli.where import add_store_argument, store_name

if TYPE_CHECKING:
    from shadow_mw.stores.health import Health

SUMMARY = "look whether a store is whole, and mend what a killed process left"
DESCRIPTION = (
    "Look at a store: format, locks, interrupted compactions, drafts, torn and damaged lines, Parquet files, "
    "permissions, sizes, free disk space and clock; say how to mend what is wrong. Exits with 1 when "
    "something must be mended, with 4 when there is no store."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_store_argument(parser)
    parser.add_argument(
        "--repair",
        action="store_true",
        help="finish interrupted compactions, delete drafts, cut off torn lines; records are never deleted",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each thing that was looked at; the exit code."""
    harms = 0
    for health in _examined(store_name(arguments.store), arguments.repair):
        print(health)
        harms += health.state == "harm"
    return 1 if harms else 0


def _examined(store: str, repair: bool) -> Iterator[Health]:
    from shadow_mw.assembly.stores import examine

    return examine(store, repair=repair)
