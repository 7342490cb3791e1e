"""The governor that the settings describe."""

from __future__ import annotations

import logging
from functools import partial

from shadow_mw.books import Books
from shadow_mw.boundary import tell
from shadow_mw.governor import Gauge, Governor, of_added_time, of_host_load
from shadow_mw.host_load import HostLoad
from shadow_mw.mirror import Mirror
from shadow_mw.settings import Settings
from shadow_mw.stopwatch import Stopwatch


def make_governor(settings: Settings, mirror: Mirror, books: Books) -> Governor:
    """The governor of one mirror; without a limit it never holds anything back."""
    gauges = []
    if settings.max_added_seconds > 0.0:
        added = partial(_added_seconds, mirror.stopwatch, settings.sample_rate)
        gauges.append(Gauge(added, settings.max_added_seconds, of_added_time))
    if settings.max_host_load is not None:
        gauges.append(_host_gauge(HostLoad(), settings.max_host_load))
    governor = Governor(gauges, apply=mirror.govern, told=lambda one: books.restraints.tell([one]))
    governor.reset(mirror.origin)
    return governor


def _host_gauge(load: HostLoad, limit: float) -> Gauge:
    if load.read() is None:
        tell(logging.WARNING, "SHADOW_MAX_HOST_LOAD has no effect: this platform does not tell its load")
    return Gauge(lambda _: load.read(), limit, of_host_load)


def _added_seconds(stopwatch: Stopwatch, sample_rate: float, share: float) -> float | None:
    """What mirroring adds to a predict call: of a mirrored one, by the share that is mirrored."""
    stopwatch.turn(is_held_back=share < 1.0)
    seconds = stopwatch.seconds()
    return None if seconds is None else seconds * sample_rate * share
