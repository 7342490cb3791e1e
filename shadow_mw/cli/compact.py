"""`shadow-mw compact`: turn the store's finished segments into Parquet."""

from __future__ import annotations

import argparse

from shadow_mw.cli.where import add_store_argument, store_folder
from shadow_mw.figures import counted

SUMMARY = "compact the store's finished segments into Parquet"
DESCRIPTION = (
    "Turn the finished JSONL segments of a store into Parquet, about six times smaller. Safe at any time, "
    "also while apps write and reports read."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_store_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compact; the exit code."""
    folder = store_folder(arguments.store)
    from shadow_mw.stores.compaction import compact

    done = compact(folder)
    if done.is_busy:
        print(f"Another compaction of {folder} is under way; nothing was done.")
        return 0
    segments, comparisons = counted(done.segments, "segment"), counted(done.comparisons, "comparison")
    print(f"Compacted {segments} with {comparisons} in {folder}.")
    if done.damaged_lines:
        print(f"{counted(done.damaged_lines, 'line')} held no record and was left out.")
    return 0
