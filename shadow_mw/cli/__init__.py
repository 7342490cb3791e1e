"""The command line, `shadow-mw`: one command a file."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from shadow_mw import __version__
from shadow_mw.exceptions import ShadowMWError, StoreError

_COMMANDS = (
    "demo",
    "dashboard",
    "report",
    "gate",
    "tail",
    "export",
    "sql",
    "labels",
    "run",
    "check",
    "compact",
    "purge",
    "doctor",
    "worker",
    "replay",
)

EXIT_FAILED = 1
EXIT_STORE = 4
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. A user's mistake is a sentence on stderr, never a traceback."""
    try:
        arguments = make_parser().parse_args(argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except ShadowMWError as error:
        print(f"shadow-mw: {error}", file=sys.stderr)
        return EXIT_STORE if isinstance(error, StoreError) else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return EXIT_FAILED
    except OSError as error:
        print(f"shadow-mw: {error}", file=sys.stderr)
        return EXIT_FAILED
    return code


def make_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="shadow-mw",
        description="Mirror live predictions to a shadow model; production cannot tell.",
        epilog="Settings come from SHADOW_* variables; `shadow-mw check` prints them all.",
    )
    parser.add_argument("--version", action="version", version=f"shadow-mw {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        command = importlib.import_module(f"shadow_mw.cli.{name}")
        subparser = commands.add_parser(name, help=command.SUMMARY, description=command.DESCRIPTION)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _forget_stdout() -> None:
    """Keep the interpreter from a second BrokenPipeError when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
