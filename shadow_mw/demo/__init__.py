"""The demo: two real models in two server processes, one mirrored to the other, on this computer."""

from __future__ import annotations

import contextlib
import importlib.util
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from shadow_mw.demo.plan import Plan
from shadow_mw.exceptions import MissingExtraError

__all__ = ["Plan", "run_demo"]

_NEEDED = ("duckdb", "fastapi", "jinja2", "rich", "sklearn", "uvicorn")


def run_demo(plan: Plan, show_report: Callable[[Path], None]) -> int:
    """Run the demo and tell how it went; `show_report` prints the report of a store's folder.

    Returns 1 when production failed to answer a call, which the mirror must never cause, else 0.

    Raises:
        DemoError: a server did not start.
        MissingExtraError: the extra `demo` is not installed.

    """
    _check_extra()
    from shadow_mw.demo.ending import say, tell_ending
    from shadow_mw.demo.session import Session

    session = Session(plan)
    with contextlib.ExitStack() as running:
        if plan.has_dashboard:
            say(f"Dashboard: {session.serve_dashboard(running)}")
        say("Starting two servers; each trains its model of handwritten digits first …")
        session.run()
        tell_ending(session, show_report)
        if plan.has_dashboard and plan.stays and sys.stdout.isatty():
            _stay()
    return 1 if session.caller.failed else 0


def _stay() -> None:
    """Wait for Ctrl-C, SIGTERM, or the end of the terminal."""
    from shadow_mw.demo.ending import say

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    terminal = select.poll()
    # Asked for no event, it tells of a hang-up alone.
    terminal.register(sys.stdout.fileno(), 0)
    with contextlib.suppress(KeyboardInterrupt):
        say("\nThe dashboard stays up; Ctrl-C ends it.")
        terminal.poll()


def _check_extra() -> None:
    if not all(importlib.util.find_spec(module) for module in _NEEDED):
        raise MissingExtraError("the demo", "demo")
