"""The worker side, wired. Imports what only a worker needs, so it is imported when one is made."""

from __future__ import annotations

import encodings.idna  # noqa: F401 see below
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from opentelemetry.sdk.metrics.export import MetricReader

from shadow_mw.assembly.brokers import make_forwarder
from shadow_mw.assembly.concealing import conceal, disclose
from shadow_mw.assembly.control import control_share
from shadow_mw.assembly.objects import Objects
from shadow_mw.assembly.shadows import concurrency, make_shadow
from shadow_mw.assembly.stores import make_store
from shadow_mw.books import Books
from shadow_mw.breaker import Breaker
from shadow_mw.compare.choice import Comparators
from shadow_mw.protocols import Kept
from shadow_mw.queue_urls import is_broker
from shadow_mw.queues.forwarder import Forwarder
from shadow_mw.redaction import Redactor
from shadow_mw.segments import segments_of
from shadow_mw.settings import Settings
from shadow_mw.snapshots import Statistics
from shadow_mw.targets import Target
from shadow_mw.telemetry.metrics import Metrics
from shadow_mw.telemetry.providers import open_telemetry, service_name
from shadow_mw.telemetry.spans import Tracing
from shadow_mw.values import parse_segments
from shadow_mw.worker.judge import Judge, Origin
from shadow_mw.worker.lane import Lane
from shadow_mw.worker.recorder import Recorder
from shadow_mw.worker.worker import Worker

# Python imports `encodings.idna` for the first host. Imported with this module, no fork gets amid of it:
# a child with half of it would know no encoding of that name.


def make_worker(
    settings: Settings,
    books: Books,
    comparators: Comparators,
    snapshot: Callable[[], Statistics],
    objects: Objects = MappingProxyType({}),
    *,
    kept: Kept | None = None,
    queue: str = "",
    readers: Sequence[MetricReader] = (),
) -> Worker:
    """A worker with everything below it; metrics are read off `snapshot`, `objects` are shadows in code.

    With `kept`, which tells what records are in the store, it waits for shadows and stores that are down,
    since its queue keeps what it does not take.
    `readers` read the metrics beside the exporters that the `OTEL_*` variables name.

    Raises:
        SettingsError: an `OTEL_*` variable names what does not exist.
        MissingExtraError: the store's driver is not installed.

    """
    telemetry = open_telemetry(reuse=True, readers=readers)
    instance = f"{socket.gethostname()}-{os.getpid()}"
    origin = Origin(
        service=service_name(),
        instance=instance,
        queue=queue or settings.queue,
        production_version=settings.production_version,
    )
    redactor = Redactor(settings.redact, settings.redact_key)
    judge = Judge(
        comparators,
        redactor,
        origin,
        prediction=settings.prediction,
        features=settings.features,
        max_body_bytes=int(settings.max_body_bytes),
        record_chars=settings.record_chars,
        segments=partial(segments_of, paths=parse_segments(settings.segments)),
        conceal=Redactor(settings.redact_request, settings.redact_key),
        disclosure=disclose(settings, redactor),
    )
    return Worker(
        _make_lanes(settings, objects, queue=origin.queue, is_patient=kept is not None),
        judge,
        Recorder(make_store(settings), books, origin, kept=kept),
        Tracing(telemetry.tracer, queue=origin.queue, linked=settings.trace == "linked"),
        Metrics(telemetry.meter, snapshot),
        telemetry,
        books,
        flush_seconds=settings.drain_seconds,
        conceal=conceal(settings).message,
    )


def make_engine(
    settings: Settings,
    books: Books,
    comparators: Comparators,
    snapshot: Callable[[], Statistics],
    objects: Objects = MappingProxyType({}),
    *,
    readers: Sequence[Any] = (),
) -> Worker | Forwarder:
    """What an app's own process or mirror process runs: a worker, or where the queue is a broker a forwarder.

    Raises:
        SettingsError: as for `make_worker`, or the broker's client refuses an option.
        MissingExtraError: a driver or client is not installed.

    """
    if is_broker(settings.queue):
        return make_forwarder(settings, books)
    return make_worker(settings, books, comparators, snapshot, objects, readers=readers)


def _make_lanes(settings: Settings, objects: Objects, *, queue: str, is_patient: bool) -> list[Lane]:
    """One for each target, and one for the control."""
    shares = len(settings.targets) + (settings.control is not None)
    make = partial(_make_lane, settings, queue, shares, is_patient=is_patient)
    lanes = [make(target, objects.get(target.name)) for target in settings.targets]
    if settings.control is not None:
        lanes.append(make(settings.control, role="control", wants=control_share(settings)))
    return lanes


def _make_lane(
    settings: Settings,
    queue: str,
    shares: int,
    target: Target,
    function: Callable[[Any], Any] | None = None,
    **policy: Any,
) -> Lane:
    return Lane(
        target,
        make_shadow(target, settings, queue, function),
        Breaker(failures=settings.breaker_failures, reset_seconds=settings.breaker_reset_seconds),
        concurrency=concurrency(target, settings, is_in_code=function is not None),
        timeout_seconds=settings.timeout_seconds,
        max_age_seconds=settings.max_age_seconds,
        is_adaptive=settings.adaptive_concurrency,
        size=max(settings.queue_size // shares, 1),
        size_bytes=int(settings.queue_bytes) // shares,
        headers=lambda request: {settings.request_id_header: request.request_id},
        **policy,
    )
