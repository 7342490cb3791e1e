"""The production side, wired: one mirror with its queue and books."""

from __future__ import annotations

import logging
import time
import weakref
from typing import TYPE_CHECKING, Any

from shadow_mw.assembly.announcement import announce
from shadow_mw.assembly.governing import make_governor
from shadow_mw.assembly.objects import Objects, load_settings_with, named
from shadow_mw.assembly.queues import AppQueue, make_queue
from shadow_mw.assembly.unasked import unasked
from shadow_mw.books import Books
from shadow_mw.compare.choice import Comparators
from shadow_mw.forks import call_in_child, has_threads
from shadow_mw.governor import Governor
from shadow_mw.mirror import Mirror
from shadow_mw.queues.inline import InlineQueue
from shadow_mw.queues.link import LinkQueue
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange, Message
from shadow_mw.settings import Settings, unknown_variables
from shadow_mw.snapshots import Statistics

if TYPE_CHECKING:
    from shadow_mw.queues.forwarder import Forwarder
    from shadow_mw.worker.worker import Worker

_log = logging.getLogger("shadow_mw")
_installed: weakref.WeakSet[Installation] = weakref.WeakSet()


class Installation:
    """One mirror with its queue, books and worker, as a door uses it. Thread-safe, fork-safe."""

    def __init__(self, settings: Settings, comparators: Comparators, objects: Objects) -> None:
        """Wire the production side; the worker is built by its queue on first use."""
        self.settings = settings
        self._books = Books()
        self._workshop = _Workshop(settings, self._books, comparators, objects)
        self._queue: AppQueue = make_queue(
            settings, self._books, self._workshop.inline_queue, self._workshop.beat
        )
        self.mirror = Mirror(settings, self._queue, self._books)
        self.governor = self._workshop.governor = make_governor(settings, self.mirror, self._books)
        self.echo_header = settings.request_id_header.lower().encode() if settings.echo_request_id else b""
        # Runs when the app is garbage, and at the latest when the interpreter exits.
        weakref.finalize(self, self._queue.close, settings.drain_seconds)

    def __repr__(self) -> str:
        """The mirror."""
        return f"Installation({self.mirror!r})"

    def start(self) -> None:
        """Start the worker ahead of the first request."""
        self._queue.start()

    def drain(self, seconds: float) -> bool:
        """Wait until all that was handed over is judged, stored and exported; False at the deadline."""
        return self._queue.drain(seconds)

    def close(self) -> None:
        """Drain within `SHADOW_DRAIN_SECONDS` and stop the worker; a later request starts it again."""
        self._queue.close(self.settings.drain_seconds)
        self.governor.reset(self.mirror.origin)  # nobody looks any more until a later request

    def statistics(self) -> Statistics:
        """A snapshot of counts, latencies and circuits; where the worker is a process, of a second ago."""
        told = self._queue.statistics if isinstance(self._queue, LinkQueue) else None
        return told or self._workshop.statistics()

    def reset(self) -> None:
        """Begin anew in a forked child: the thread and what it held stayed with the parent."""
        self.mirror.reset()
        self._books.reset()
        self.governor.reset(self.mirror.origin)
        self._queue.reset()
        self._workshop.worker = None


class _Workshop:
    """Makes workers, and remembers the one that runs."""

    def __init__(self, settings: Settings, books: Books, comparators: Comparators, objects: Objects) -> None:
        self._settings = settings
        self._books = books
        self._comparators = comparators
        self._objects = objects
        self.worker: Worker | Forwarder | None = None
        self.governor: Governor | None = None

    def beat(self) -> None:
        """Have the governor look, once there is one."""
        if self.governor is not None:
            self.governor.beat()

    def inline_queue(self) -> InlineQueue:
        return InlineQueue(
            self._make,
            lost=self._lose,
            size=self._settings.queue_size,
            size_bytes=int(self._settings.queue_bytes),
            beat=self.beat,
        )

    def _make(self) -> Worker | Forwarder:
        from shadow_mw.assembly.workshop import make_engine

        self.worker = make_engine(
            self._settings, self._books, self._comparators, self.statistics, self._objects
        )
        return self.worker

    def _lose(self, messages: list[Message]) -> None:
        shadows = [target.name for target in self._settings.targets]
        for message in messages:
            if not isinstance(message, CapturedResponse):
                self._books.add(_route_of(message), shadows, "eligible", "worker_lost")

    def statistics(self) -> Statistics:
        settings = self._settings
        if self.worker is not None:
            return self.worker.statistics(settings.mode, settings.queue)
        totals = self._books.totals()
        return Statistics(
            mode=settings.mode,
            queue=settings.queue,
            shadows=tuple(unasked(target, settings, totals) for target in settings.targets),
            restraint=self._books.restraints.tightest(),
        )


def install(*, shadow: object = None, **overrides: Any) -> Installation | None:
    """The mirror that the settings describe, or None when nothing is to be mirrored; logs one line.

    `shadow` is a callable that is a shadow in code, or several by name.

    Raises:
        SettingsError: a setting is wrong.

    """
    objects = named(shadow)
    settings = load_settings_with(objects, overrides)
    for name, near in unknown_variables().items():
        hint = f"; did you mean {near}?" if near else ""
        _log.warning("%s is not a setting of shadow_mw%s", name, hint)
    if settings.is_inert:
        announce(settings)
        return None
    if not has_threads():
        _log.warning("mirroring is off: this uWSGI runs no Python threads; start it with --enable-threads")
        return None
    comparators = Comparators(
        settings.compare, rtol=settings.rtol, atol=settings.atol, ignore=settings.ignore
    )
    installation = Installation(settings, comparators, objects)
    _installed.add(installation)
    announce(settings)
    return installation


def installations() -> tuple[Installation, ...]:
    """All mirrors of this process."""
    return tuple(_installed)


def statistics() -> tuple[Statistics, ...]:
    """A snapshot of each mirror of this process."""
    return tuple(installation.statistics() for installation in installations())


def drain(seconds: float = 10.0) -> bool:
    """Wait until everything that this process mirrored is judged, stored and exported.

    Returns:
        False when something was still under way after `seconds`.

    """
    deadline = time.monotonic() + seconds
    results = [installation.drain(max(deadline - time.monotonic(), 0.0)) for installation in installations()]
    return all(results)


def _route_of(message: Exchange | CapturedRequest) -> str:
    return message.request.route if isinstance(message, Exchange) else message.route


def _reset_after_fork() -> None:
    for installation in installations():
        installation.reset()


call_in_child(_reset_after_fork)
