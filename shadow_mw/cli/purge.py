"""`shadow-mw purge`: take the records of a request out of a store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from shadow_mw.cli.moments import moment_us
from shadow_mw.cli.where import add_store_argument, store_name
from shadow_mw.exceptions import PayloadError
from shadow_mw.figures import counted
from shadow_mw.store_urls import shown

if TYPE_CHECKING:
    from shadow_mw.wanted import Purged, Wanted

SUMMARY = "take the records of a request out of a store"
DESCRIPTION = (
    "Remove the comparisons and the truths of request ids, or of a time, from a store, for good. Safe at any "
    "time, also while apps write and reports read. Counts stay: they hold nothing of a request. What an app "
    "has not written yet is not found, so wait a few seconds after the request. Topics, traces and dead "
    "letters are out of its reach (docs/privacy.md). Exits with 1 when it was not confirmed, with 3 when "
    "somebody still writes to a file that holds some, with 4 when the store cannot be read or written."
)
EXIT_LEFT = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--request-id", metavar="ID", action="append", default=[], help="of this request; may be repeated"
    )
    parser.add_argument(
        "--before",
        metavar="WHEN",
        type=moment_us,
        help="older than a moment, as in 2026-11-22 or 7d; with --request-id only of those",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what there is and remove nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_store_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Count, ask, remove, and say what went from where; the exit code."""
    from shadow_mw.assembly.purging import count, purge

    wanted = _wanted(arguments)
    store = store_name(arguments.store)
    if arguments.dry_run or not arguments.yes:
        found = list(count(store, wanted))
        for one in found:
            print(f"{_said(one)} in {one.place}.")
        if arguments.dry_run or not any(one.comparisons or one.truths for one in found):
            return 0
        if not _is_confirmed(store):
            print("Nothing was removed.")
            return 1
    return _told(purge(store, wanted))


def _wanted(arguments: argparse.Namespace) -> Wanted:
    from shadow_mw.wanted import Wanted

    request_ids = tuple(dict.fromkeys(arguments.request_id))
    if not request_ids and arguments.before is None:
        raise PayloadError("nothing is named that is to go: give --request-id ID or --before WHEN")
    if "" in request_ids:
        raise PayloadError("--request-id is empty: give the id as records, spans and the dashboard show it")
    return Wanted(request_ids=request_ids, before_us=arguments.before)


def _is_confirmed(store: str) -> bool:
    if not sys.stdin.isatty():
        print("shadow-mw: nobody is there to confirm it: add --yes", file=sys.stderr)
        return False
    try:
        return input(f"Remove them from {shown(store)} for good? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _told(places: Iterable[Purged]) -> int:
    code = 0
    for one in places:
        if one.is_left:
            code = EXIT_LEFT
            sentence = f"{_said(one)} left in {one.place} that a process still writes: run it again later."
            print(f"shadow-mw: {sentence}", file=sys.stderr)
        else:
            print(f"Removed {_said(one)} from {one.place}.")
    return code


def _said(one: Purged) -> str:
    return f"{counted(one.comparisons, 'comparison')} and {counted(one.truths, 'truth')}"
