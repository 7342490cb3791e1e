"""The queue that the settings name."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import quote

from shadow_mw.assembly.clients import need_client
from shadow_mw.assembly.stores import need_driver
from shadow_mw.books import Books
from shadow_mw.exceptions import SettingsError
from shadow_mw.queues.inline import InlineQueue
from shadow_mw.queues.link import LinkQueue
from shadow_mw.queues.mirror_process import MirrorProcess
from shadow_mw.queues.unix import UnixReach
from shadow_mw.settings import Settings
from shadow_mw.telemetry.context import provided_resource
from shadow_mw.telemetry.exporters import exporter_names

_log = logging.getLogger("shadow_mw")
AppQueue: TypeAlias = InlineQueue | LinkQueue


def make_queue(
    settings: Settings, books: Books, inline: Callable[[], InlineQueue], beat: Callable[[], None]
) -> AppQueue:
    """The queue of the app's side; `inline` where a process of its own is not wanted or can't be had.

    `beat` is called about every second by the thread that the queue has.

    Raises:
        MissingExtraError: the driver of the store, which the worker will need, is not installed.

    """
    if settings.queue.startswith("unix:"):
        return _link(UnixReach(settings.queue.removeprefix("unix://")), settings, books, beat)
    need_driver(settings.store)
    need_client(settings.queue)
    if settings.queue == "inline:":
        return inline()
    if not MirrorProcess.is_possible():
        _log.warning("SHADOW_QUEUE: this platform has no child process for process:, using inline:")
        return inline()
    try:
        reach = MirrorProcess(blueprint(settings), _telemetry_environment)
    except SettingsError as error:
        _log.warning("%s: using inline: instead of process:", error)
        return inline()
    return _link(reach, settings, books, beat, fallback=inline)


def blueprint(settings: Settings) -> dict[str, Any]:
    """The settings as keywords that JSON can carry and `load_settings` takes."""
    return {name: _plain(getattr(settings, name)) for name in Settings.model_fields}


def _telemetry_environment() -> dict[str, str]:
    """What the mirror process has to know of a telemetry that the app has set up in code."""
    provided = provided_resource()
    if provided is None:
        return {}
    if not exporter_names("traces"):
        _log.warning(
            "the app's own tracer provider does not reach the mirror process: "
            "set OTEL_EXPORTER_OTLP_ENDPOINT for its spans, or SHADOW_QUEUE=inline:"
        )
    service = provided.pop("service.name", "")
    names = {} if os.environ.get("OTEL_SERVICE_NAME") else {"OTEL_SERVICE_NAME": service}
    host = [f"{name}={quote(value)}" for name, value in provided.items()]
    known = filter(None, [os.environ.get("OTEL_RESOURCE_ATTRIBUTES")])
    return {**names, "OTEL_RESOURCE_ATTRIBUTES": ",".join([*known, *host])} if host else names


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return value


def _link(
    reach: MirrorProcess | UnixReach,
    settings: Settings,
    books: Books,
    beat: Callable[[], None],
    fallback: Callable[[], InlineQueue] | None = None,
) -> LinkQueue:
    return LinkQueue(
        reach,
        books,
        shadows=tuple(target.name for target in settings.targets),
        size=settings.queue_size,
        size_bytes=int(settings.queue_bytes),
        fallback=fallback,
        beat=beat,
    )
