"""What runs beside `shadow-mw worker`: the pages for those who watch it, and its progress."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shadow_mw.cli.progress import Progress

if TYPE_CHECKING:
    import socket

    from shadow_mw.hosting import Companion, Host
    from shadow_mw.settings import Settings
    from shadow_mw.telemetry.prometheus import PrometheusPage


@contextlib.contextmanager
def company(settings: Settings) -> Iterator[dict[str, Any]]:
    """The readers and companions of a worker, as keywords; wrong addresses are known before it begins.

    Raises:
        SettingsError: `SHADOW_WORKER_LISTEN` can't be listened at.
        MissingExtraError: the extra `worker` is not installed.

    """
    log = logging.getLogger("shadow_mw")
    log.addHandler(handler := logging.StreamHandler())  # whoever started it also reads what it says
    companions: list[Companion] = [_progress]
    try:
        if not settings.worker_listen:
            yield {"companions": companions}
            return
        page, listener = _watched(settings)
        with listener:
            companions.append(_pages(page, listener))
            yield {"companions": companions, "readers": [page.reader]}
    finally:
        log.removeHandler(handler)


def _watched(settings: Settings) -> tuple[PrometheusPage, socket.socket]:
    from shadow_mw.monitor import monitor_listener
    from shadow_mw.telemetry.prometheus import PrometheusPage
    from shadow_mw.values import host_and_port

    page = PrometheusPage("SHADOW_WORKER_LISTEN")
    return page, monitor_listener(*host_and_port(settings.worker_listen))


def _pages(page: PrometheusPage, listener: socket.socket) -> Companion:
    async def companion(host: Host) -> None:
        from shadow_mw.monitor import monitor_app, serve_at

        app = monitor_app(snapshot=host.snapshot, problem=lambda: host.problem, exposition=page.text)
        await serve_at(listener, app)

    return companion


async def _progress(host: Host) -> None:
    await Progress(host.snapshot).run()
