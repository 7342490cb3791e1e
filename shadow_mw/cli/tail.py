"""`shadow-mw tail`: new comparisons as they come."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from shadow_mw.cli.choosing import add_only_argument
from shadow_mw.cli.where import add_store_argument

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SUMMARY = "show new comparisons as they come, disagreements marked"
DESCRIPTION = (
    "Print the latest comparisons, then every new one in a line of its own until Ctrl-C: when, shadow, "
    "verdict, latencies of production and shadow, route, and what differs. A line of its own says when the "
    "governor begins to hold mirroring back, and when it is done."
)
_SHOWN = 10
#: Looking costs a share of a core: it is this many times shorter than what follows it.
_PAUSE_TIMES = 10.0
_PAUSE_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_store_argument(parser)
    parser.add_argument("--shadow", metavar="NAME", help="one shadow only (or the control)")
    parser.add_argument("--route", metavar="ROUTE", help="one route only, as in 'POST /predict'")
    add_only_argument(parser)
    parser.add_argument(
        "-n", metavar="N", type=_count, default=_SHOWN, help=f"how many to begin with (default: {_SHOWN})"
    )
    parser.add_argument("--json", action="store_true", help="one object a line")


def run(arguments: argparse.Namespace) -> int:
    """Print until Ctrl-C; the exit code."""
    from shadow_mw.cli.following import Following

    write = _writer(arguments)
    with Following(arguments) as following:
        try:
            for row in following.latest(arguments.n):
                write(row)
            held_back = ""
            while True:
                before, held_back = held_back, following.held_back
                _tell(before, held_back)
                sys.stdout.flush()
                time.sleep(max(_PAUSE_SECONDS, _PAUSE_TIMES * following.seconds))
                for row in following.new():
                    write(row)
        except KeyboardInterrupt:
            return 0


def _tell(before: str, held_back: str) -> None:
    """Say on stderr, beside the comparisons, what the governor does, where that is something else now."""
    if before != held_back:
        sys.stdout.flush()
        print(f"-- {held_back or 'Mirroring all that you asked for again.'}", file=sys.stderr)


def _writer(arguments: argparse.Namespace) -> Callable[[dict[str, Any]], None]:
    if arguments.json:
        from shadow_mw.cli.lines import as_json

        return lambda row: print(as_json(row))
    from shadow_mw.cli.forms.stream import Stream

    return Stream().write


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of comparisons: give 0 or more")
    return int(text)
