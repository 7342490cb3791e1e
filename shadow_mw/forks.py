"""Forks of the app's process, whoever makes them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any


class ForkLock:
    """A re-entrant lock that a fork waits for, and that is free in the child. Thread-safe.

    uWSGI forks without waiting, so that the child may find it held by a thread that is not there.
    """

    def __init__(self) -> None:
        """A free lock."""
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.__enter__, after_in_parent=self.__exit__)
        call_in_child(self._renew)

    def __enter__(self) -> None:
        """Wait for it."""
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Let it go."""
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.RLock()


def call_in_child(function: Callable[[], Any]) -> None:
    """Call a function in every forked child; it may be called twice in one."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
    server = _uwsgi()
    if server is not None:
        _call_after_forks_of(server, function)


def has_threads() -> bool:
    """False in a uWSGI that freezes threads between requests, as 2.0.26 does by default."""
    return bool(getattr(_uwsgi(), "has_threads", True))


def _uwsgi() -> ModuleType | None:
    """The module that uWSGI puts into its processes, and nobody else has."""
    return sys.modules.get("uwsgi")


def _call_after_forks_of(server: ModuleType, function: Callable[[], Any]) -> None:
    """UWSGI forks in C and runs no hook of Python's, but one function of its own."""
    earlier = getattr(server, "post_fork_hook", None)
    try:
        import uwsgidecorators
    except Exception:  # noqa: BLE001 it is missing, or says with a bare Exception that there is no master
        server.__dict__["post_fork_hook"] = lambda: (earlier and earlier(), function())
        return
    if earlier is not None and server.__dict__["post_fork_hook"] is not earlier:
        uwsgidecorators.postfork(earlier)
    uwsgidecorators.postfork(function)
