"""`shadow-mw run`: starts a command whose apps are mirrored without a line in their code."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from shadow_mw.exceptions import UsageError
from shadow_mw.settings import load_settings

SUMMARY = "start a server, and mirror its app without a line in its code"
DESCRIPTION = (
    "Start a command, as in `shadow-mw run uvicorn app:app --port 8000`, and mirror every FastAPI, "
    "Starlette, Flask, Quart, Django or Litestar app in its processes, workers and reloaders included, as if "
    "the line were in the code. The command takes the place of shadow-mw: signals and the exit code are its "
    "own."
)
_AUTOLOAD = str(Path(__file__).parent.parent / "doors" / "autoload")
#: Tells the command's own process from those that it starts.
_COMMAND = "_SHADOW_MW_RUN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: all that follows belongs to the command that is started."""
    parser.usage = "shadow-mw run [-h] COMMAND …"
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="COMMAND …",
        help="uvicorn, gunicorn, hypercorn, granian, flask run, python serve.py, … with its arguments",
    )


def run(arguments: argparse.Namespace) -> int:
    """Become the command; returns only where it can't be started.

    Raises:
        SettingsError: a setting is wrong.
        UsageError: there is no such command, or it can't be run.

    """
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise UsageError("run: name the command to start, as in shadow-mw run uvicorn app:app --port 8000")
    if os.name != "posix":
        raise UsageError("run needs POSIX: call app = shadow_mw.instrument(app) in the code instead")
    path = shutil.which(command[0])
    if path is None:
        raise UsageError(
            f"run: there is no command {command[0]!r}: check its name, or activate its environment"
        )
    _check()
    _become(path, command)
    return 0


def _check() -> None:
    """Say now what is wrong with the settings, for the app starts whatever they are."""
    settings = load_settings()
    if settings.is_inert:
        why = "SHADOW_TARGETS is not set" if settings.enabled else "SHADOW_ENABLED is 0"
        print(
            f"shadow-mw run: {why}, so the command runs and nothing is mirrored", file=sys.stderr, flush=True
        )


def _become(path: str, command: list[str]) -> None:
    paths = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([_AUTOLOAD, paths] if paths else [_AUTOLOAD])
    os.environ[_COMMAND] = str(os.getpid())
    try:
        os.execv(path, command)  # noqa: S606 the command is the user's own, and no shell reads it
    except OSError as error:
        raise UsageError(f"run: {command[0]} can't be started: {error.strerror}") from None
