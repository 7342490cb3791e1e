"""Providers: the tracer and the meter of one worker, flushed and shut down by our own deadline."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import count
from threading import Thread
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import Meter, NoOpMeterProvider
from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_SCHEDULE_DELAY
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracerProvider

from shadow_mw.boundary import Guard
from shadow_mw.exceptions import SettingsError
from shadow_mw.telemetry.exporters import open_exporters
from shadow_mw.telemetry.own_ids import OwnIds
from shadow_mw.telemetry.tracer import FinishedTracer, SpanMaker

_SCOPE = "shadow_mw"
# The encoding of a batch holds the GIL: 512 spans at once were seen to add 20 to 30 ms to production. Each
# batch is a request, which costs as much as the encoding of 50 spans.
_BATCH_SPANS = 128
_DELAY_MILLISECONDS = 500.0
_numbers = count(1)
_guard = Guard("flushing telemetry")


class Provider:
    """One signal's provider, ours or the app's. An app's is flushed and never shut down."""

    def __init__(
        self,
        provider: Any,
        exporters: Sequence[Any] = (),
        *,
        is_ours: bool,
        tracer: FinishedTracer | None = None,
    ) -> None:
        """Take the provider; `exporters` are those that end with it, `tracer` serves instead of its own."""
        self.provider = provider
        self._exporters = exporters
        self._is_ours = is_ours
        self._tracer = tracer

    def __repr__(self) -> str:
        """Whose it is and where it sends."""
        names = ", ".join(type(exporter).__name__ for exporter in self._exporters)
        return f"Provider({'own' if self._is_ours else 'app'}, [{names}])"

    @property
    def tracer(self) -> SpanMaker:
        """The maker of spans."""
        own: SpanMaker = self._tracer or self.provider.get_tracer(_SCOPE)
        return own

    def flush(self, milliseconds: float) -> bool:
        """Hand over what is there; the SDK takes as long as it likes."""
        flush: Callable[..., Any] | None = getattr(self.provider, "force_flush", None)
        return flush is None or bool(flush(timeout_millis=int(milliseconds)))

    def shut(self, milliseconds: float) -> bool:
        """Hand over what is there and end, if it is ours; the SDK takes as long as it likes."""
        if not self._is_ours:
            return self.flush(milliseconds)
        shut: Callable[[], Any] = getattr(self.provider, "shutdown", bool)
        shut()
        return True

    def abandon(self) -> bool:
        """Make exports that are under way or wait for a retry end."""
        for exporter in self._exporters:
            exporter.shutdown()
        return True


class Telemetry:
    """The tracer and the meter of one worker. Thread-safe."""

    def __init__(self, traces: Provider, metrics: Provider) -> None:
        """Take a tracer and a meter from the two providers."""
        self._providers = (traces, metrics)
        self.tracer: SpanMaker = traces.tracer
        # An SDK drops the callbacks of an observable instrument that its meter has already, so a second
        # mirror under the app's provider needs a meter of its own.
        number = next(_numbers)
        self.meter: Meter = metrics.provider.get_meter(
            _SCOPE, attributes={"shadow_mw.mirror": number} if number > 1 else None
        )

    def __repr__(self) -> str:
        """The two providers."""
        return f"Telemetry(traces={self._providers[0]!r}, metrics={self._providers[1]!r})"

    def flush(self, seconds: float) -> bool:
        """Hand over all spans and metrics; False when the deadline came first. Never raises."""
        return self._all_in_time(lambda provider: provider.flush(seconds * 1e3), seconds)

    def shutdown(self, seconds: float) -> None:
        """Hand over all spans and metrics and end, in time even if the collector is dead. Never raises."""
        if not self._all_in_time(lambda provider: provider.shut(seconds * 1e3), seconds):
            self._all_in_time(Provider.abandon, 0.0)

    def _all_in_time(self, act: Callable[[Provider], bool], seconds: float) -> bool:
        """True when `act` was true of all providers in time; what is late goes on in daemon threads."""
        done: list[bool] = []

        def run(provider: Provider) -> None:
            with _guard:
                done.append(act(provider))

        deadline = time.monotonic() + seconds
        with _guard:
            threads = [Thread(target=run, args=(one,), daemon=True) for one in self._providers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        return len(done) == len(self._providers) and all(done)


def open_telemetry(*, reuse: bool, readers: Sequence[MetricReader] = ()) -> Telemetry:
    """The telemetry that the `OTEL_*` variables ask for; with `reuse` the app's own where it has set one.

    Nothing global is set, and no `atexit` hook: it would wait 30 s for a dead collector. Metrics are read by
    `readers` too, without any exporter if none is asked for; then their provider is never the app's, which
    takes no reader later on.

    Raises:
        SettingsError: an `OTEL_*` variable is wrong; the message names it.

    """
    app_traces = _of_app(trace.get_tracer_provider()) if reuse else None
    app_metrics = _of_app(metrics.get_meter_provider()) if reuse and not readers else None
    return Telemetry(app_traces or _own_traces(), app_metrics or _own_metrics(readers))


def service_name() -> str:
    """The service's name by `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES`, or empty."""
    return str(OTELResourceDetector().detect().attributes.get("service.name", ""))


def _of_app(provider: Any) -> Provider | None:
    # The API's own providers (proxy, no-op) are the ones that cannot be flushed.
    return Provider(provider, is_ours=False) if hasattr(provider, "force_flush") else None


def _own_traces() -> Provider:
    exporters = open_exporters("traces")
    if not exporters:
        return Provider(NoOpTracerProvider(), is_ours=True)
    processors = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call] # the SDK's, untyped
    for exporter in exporters:
        processors.add_span_processor(_batches(exporter))
    provider = TracerProvider(
        resource=_resource(),
        id_generator=OwnIds(),
        shutdown_on_exit=False,
        active_span_processor=processors,
    )
    tracer = FinishedTracer(provider, processors, _SCOPE)
    return Provider(provider, exporters, is_ours=True, tracer=tracer)


def _own_metrics(readers: Sequence[MetricReader]) -> Provider:
    exporters = open_exporters("metrics")
    readers = [*readers, *map(_reader, exporters)]
    if not readers:
        return Provider(NoOpMeterProvider(), is_ours=True)
    provider = MeterProvider(metric_readers=readers, resource=_resource(), shutdown_on_exit=False)
    pushing = [exporter for exporter in exporters if not isinstance(exporter, MetricReader)]
    return Provider(provider, pushing, is_ours=True)


def _batches(exporter: Any) -> BatchSpanProcessor:
    try:
        return BatchSpanProcessor(
            exporter,
            max_export_batch_size=None if os.environ.get(OTEL_BSP_MAX_EXPORT_BATCH_SIZE) else _BATCH_SPANS,
            schedule_delay_millis=None if os.environ.get(OTEL_BSP_SCHEDULE_DELAY) else _DELAY_MILLISECONDS,
        )
    except ValueError as error:
        raise SettingsError(f"OTEL_BSP_*: {error}") from None


def _reader(exporter: Any) -> MetricReader:
    if isinstance(exporter, MetricReader):
        return exporter
    try:
        return PeriodicExportingMetricReader(exporter)
    except ValueError as error:
        raise SettingsError(f"OTEL_METRIC_EXPORT_INTERVAL: {error}") from None


def _resource() -> Resource:
    # Without host.name Jaeger takes late children for clock skew; without an instance id the counters of
    # several server processes overwrite each other.
    here = Resource({"host.name": socket.gethostname(), "service.instance.id": str(uuid.uuid4())})
    merged = here.merge(Resource.create())
    return _HashedResource(dict(merged.attributes), merged.schema_url)


class _HashedResource(Resource):
    """A resource that is hashed once; an exporter asks at each span, and the SDK makes it from JSON."""

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:
        return self._hash
