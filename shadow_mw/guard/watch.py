"""The watch over what is written: for one marked request, or for the whole process."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from shadow_mw.exceptions import ShadowWriteBlocked
from shadow_mw.guard.rules import Rules

_log = logging.getLogger("shadow_mw")


@dataclass(frozen=True, slots=True)
class GuardStatistics:
    """How many writes of this process were stopped, and how many recorded, by kind. Immutable."""

    blocked: Mapping[str, int]
    recorded: Mapping[str, int]


class Watch:
    """What one marked request wrote, or the whole process, and whether it may. Thread-safe."""

    __slots__ = ("count", "rules")

    def __init__(self, rules: Rules) -> None:
        """Begin with nothing written."""
        self.rules = rules
        self.count = 0

    def __repr__(self) -> str:
        """Mode, scope and count."""
        return f"Watch({self.rules.mode!r}, {self.rules.scope!r}, count={self.count})"

    @property
    def header(self) -> str:
        """What the response says of it: `blocked=2`."""
        return f"{'blocked' if self.rules.mode == 'block' else 'recorded'}={self.count}"

    def note(self, kind: str, what: str) -> None:
        """Count a write, and log the first of its kind."""
        with _lock:
            self.count += 1
            counter = _counters[self.rules.mode]
            counter[kind] += 1
            is_first = counter[kind] == 1
        if is_first:
            verb = "stopped" if self.rules.mode == "block" else "recorded"
            with vouched():  # a handler of the log may itself open a file or a connection
                _log.warning(
                    "shadow_mw's guard has %s a write of a shadow (%s): %s; later ones are only counted",
                    verb,
                    kind,
                    what,
                )

    def judge(self, kind: str, what: str) -> None:
        """Note a write.

        Raises:
            ShadowWriteBlocked: in mode `block`.

        """
        self.note(kind, what)
        if self.rules.mode == "block":
            raise ShadowWriteBlocked(f"the guard of this shadow has stopped a write ({kind}): {what}")


_lock = threading.Lock()
_counters: dict[str, Counter[str]] = {"block": Counter(), "record": Counter()}
_request: ContextVar[Watch | None] = ContextVar("shadow_mw_guard", default=None)
_vouched: ContextVar[bool] = ContextVar("shadow_mw_guard_vouched", default=False)


class _Process:
    """The watch over the whole process, once there is one."""

    watch: Watch | None = None


def current() -> Watch | None:
    """The watch that whoever writes now is under, or None: not watched, or judged already."""
    watch = _request.get() or _Process.watch
    return None if watch is None or _vouched.get() else watch


def of_request() -> Watch | None:
    """The watch of the request of this context, or None."""
    return _request.get()


def is_shadow() -> bool:
    """True while a mirrored request is handled, as far as its context reaches; always in scope `process`."""
    return _request.get() is not None or _Process.watch is not None


@contextmanager
def watching(watch: Watch | None) -> Iterator[None]:
    """Have what is done inside, and in what it starts, done under this watch."""
    token = _request.set(watch)
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def vouched() -> Iterator[None]:
    """Have what is done inside pass: it reads, or was judged before."""
    token = _vouched.set(True)
    try:
        yield
    finally:
        _vouched.reset(token)


def watch_process(rules: Rules | None) -> None:
    """Put the whole process under watch from now on; with None, no more."""
    if rules is None:
        _Process.watch = None
    elif _Process.watch is None:
        _Process.watch = Watch(rules)


def statistics() -> GuardStatistics:
    """The counts of this process up to now. Thread-safe."""
    with _lock:
        return GuardStatistics(blocked=dict(_counters["block"]), recorded=dict(_counters["record"]))


def forget() -> None:
    """Begin to count anew, and to log; for tests."""
    with _lock:
        for counter in _counters.values():
            counter.clear()
