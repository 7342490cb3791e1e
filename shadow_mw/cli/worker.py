"""`shadow-mw worker`: the worker of a `unix:` queue, as a sidecar would run it."""

from __future__ import annotations

import argparse
import sys

from shadow_mw.exceptions import SettingsError
from shadow_mw.settings import load_settings

SUMMARY = "work off a unix: queue: ask the shadows, compare, record"
DESCRIPTION = (
    "Take exchanges from the apps that connect to the socket of SHADOW_QUEUE=unix:///path, ask the shadows, "
    "compare and record. Start it before or after the apps; it drains on SIGTERM within SHADOW_DRAIN_SECONDS."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--queue", help="the queue to work off (default: SHADOW_QUEUE)")


def run(arguments: argparse.Namespace) -> int:
    """Work until SIGTERM or Ctrl-C; the exit code."""
    from shadow_mw.process import listen
    from shadow_mw.process import run as work

    settings = load_settings(**({"queue": arguments.queue} if arguments.queue else {}))
    if not settings.queue.startswith("unix:"):
        raise SettingsError(
            f"SHADOW_QUEUE is {settings.queue}: a worker of its own needs unix:///path/of.sock, "
            "the same as the app's"
        )
    if settings.is_inert:
        raise SettingsError(
            "SHADOW_TARGETS is not set, or SHADOW_ENABLED is 0: there is nothing to mirror to"
        )
    path = settings.queue.removeprefix("unix://")
    try:
        listener = listen(path)
    except OSError as error:
        raise SettingsError(f"SHADOW_QUEUE: cannot listen at {path}: {error.strerror or error}") from None
    print(f"shadow-mw worker listens at {path}", file=sys.stderr, flush=True)
    work(settings, listener, is_alone=False)
    return 0
