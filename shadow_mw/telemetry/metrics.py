"""Metrics: histograms that are fed with comparisons, and counts that are read off a statistics snapshot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from shadow_mw.boundary import Guard
from shadow_mw.records import BUCKETS, SKIPS, Comparison
from shadow_mw.snapshots import ShadowStatistics, Statistics
from shadow_mw.telemetry import names
from shadow_mw.telemetry.names import Instrument

Reading: TypeAlias = Callable[[Statistics], Iterable[Observation]]
ShadowReading: TypeAlias = Callable[[ShadowStatistics], Iterable[Observation]]

#: The semantic conventions' buckets for HTTP durations, in seconds.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
#: From rounding, over probabilities, to whole values.
_DELTAS = (0, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 100, 1000)

_MIRRORED = ("compared", "incomparable", "shadow_error", "shadow_timeout", "production_error")
_NOT_MIRRORED = (*(word for word in BUCKETS if word not in _MIRRORED), *SKIPS)
_VERDICTS = ("agree", "disagree", "incomparable")
_STATES = ("closed", "open", "half-open")


class Metrics:
    """All metrics of one mirror. Never raises; thread-safe.

    Attributes have few values: the shadow's name, the route, a word. Never a request id or a prediction.
    """

    def __init__(self, meter: Meter, statistics: Callable[[], Statistics]) -> None:
        """Make the instruments; `statistics` is called at each collection, in the SDK's thread."""
        self._statistics: Callable[[], Statistics] | None = statistics
        self._guard = Guard("collecting metrics")
        self._durations = _histogram(meter, names.PREDICT_DURATION, _SECONDS)
        self._waits = _histogram(meter, names.QUEUE_DURATIONS, _SECONDS)
        self._deltas = _histogram(meter, names.DELTAS, _DELTAS)
        self._observe_all(meter)

    def observe(self, comparison: Comparison) -> None:
        """Add one comparison to the histograms."""
        with self._guard:
            if self._statistics is not None:
                self._record(comparison)

    def close(self) -> None:
        """Observe nothing more: an app's own provider goes on collecting after its mirror has ended."""
        self._statistics = None

    def _record(self, comparison: Comparison) -> None:
        common = {names.SHADOW_NAME: comparison.shadow, names.HTTP_ROUTE: comparison.route}
        self._waits.record(comparison.queue_us / 1e6, common)
        production = _failing(comparison.production_outcome, comparison.production_error_type)
        self._durations.record(
            comparison.production_us / 1e6, {**common, names.ROLE: "production", **production}
        )
        if comparison.outcome != "circuit_open":
            shadow = _failing(comparison.outcome, comparison.error_type)
            self._durations.record(
                comparison.shadow_us / 1e6, {**common, names.ROLE: comparison.role, **shadow}
            )
        if comparison.delta is not None and math.isfinite(comparison.delta):
            self._deltas.record(float(comparison.delta), {**common, names.COMPARATOR: comparison.comparator})

    def _observe_all(self, meter: Meter) -> None:
        counters = {
            names.REQUESTS: _requests,
            names.COMPARISONS: _comparisons,
            names.RECORDS_DROPPED: _records_dropped,
        }
        for (name, unit, meaning), reading in counters.items():
            meter.create_observable_counter(name, [self._callback(_each(reading))], unit, meaning)
        levels = {names.POOL_ACTIVE: _pool_active, names.POOL_LIMIT: _pool_limit}
        for (name, unit, meaning), reading in levels.items():
            meter.create_observable_up_down_counter(name, [self._callback(_each(reading))], unit, meaning)
        gauges: dict[Instrument, Reading] = {
            names.CIRCUIT_STATUS: _each(_circuit),
            names.QUEUE_LAG: _lag,
            names.SAMPLING_SHARE: _share,
        }
        for (name, unit, meaning), gauge in gauges.items():
            meter.create_observable_gauge(name, [self._callback(gauge)], unit, meaning)

    def _callback(self, reading: Reading) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observations(_: CallbackOptions) -> Iterable[Observation]:
            statistics = self._statistics
            with self._guard:
                if statistics is not None:
                    return list(reading(statistics()))
            return []

        return observations


def _histogram(meter: Meter, instrument: Instrument, bounds: tuple[float, ...]) -> Histogram:
    name, unit, meaning = instrument
    return meter.create_histogram(name, unit, meaning, explicit_bucket_boundaries_advisory=bounds)


def _each(reading: ShadowReading) -> Reading:
    return lambda statistics: (one for shadow in statistics.shadows for one in reading(shadow))


def _failing(outcome: str, error_type: str) -> dict[str, str]:
    return {} if outcome == "answered" else {names.ERROR_TYPE: error_type or outcome}


def _requests(shadow: ShadowStatistics) -> Iterator[Observation]:
    for route, counts in shadow.routes.items():
        common = {names.SHADOW_NAME: shadow.shadow, names.HTTP_ROUTE: route}
        mirrored = sum(counts.get(word, 0) for word in _MIRRORED)
        yield Observation(mirrored, {**common, names.DECISION: "mirrored"})
        for word in _NOT_MIRRORED:
            if word in counts:
                yield Observation(counts[word], {**common, names.DECISION: word})


def _comparisons(shadow: ShadowStatistics) -> Iterator[Observation]:
    for route, counts in shadow.routes.items():
        common = {names.SHADOW_NAME: shadow.shadow, names.HTTP_ROUTE: route}
        for verdict in _VERDICTS:
            yield Observation(counts.get(verdict, 0), {**common, names.VERDICT: verdict})


def _records_dropped(shadow: ShadowStatistics) -> Iterator[Observation]:
    for route, counts in shadow.routes.items():
        common = {names.SHADOW_NAME: shadow.shadow, names.HTTP_ROUTE: route}
        yield Observation(counts.get("records_dropped", 0), common)


def _pool_active(shadow: ShadowStatistics) -> Iterator[Observation]:
    yield Observation(shadow.active, {names.SHADOW_NAME: shadow.shadow})


def _pool_limit(shadow: ShadowStatistics) -> Iterator[Observation]:
    yield Observation(shadow.limit, {names.SHADOW_NAME: shadow.shadow})


def _lag(statistics: Statistics) -> Iterator[Observation]:
    if statistics.lag is not None:
        yield Observation(statistics.lag)


def _share(statistics: Statistics) -> Iterator[Observation]:
    held = statistics.restraint
    yield Observation(held.share if held is not None else 1.0)


def _circuit(shadow: ShadowStatistics) -> Iterator[Observation]:
    for state in _STATES:
        value = int(state == shadow.circuit)
        yield Observation(value, {names.SHADOW_NAME: shadow.shadow, names.CIRCUIT_STATE: state})
