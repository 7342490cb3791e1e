"""`shadow-mw worker`: asks the shadows for what apps on this or other hosts have put on a queue."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from shadow_mw.exceptions import SettingsError
from shadow_mw.queue_urls import is_broker
from shadow_mw.settings import load_settings

if TYPE_CHECKING:
    from shadow_mw.settings import Settings

SUMMARY = "work off a queue: ask the shadows, compare, record"
DESCRIPTION = (
    "Take exchanges from a queue, ask the shadows, compare and record: from the apps that connect to the "
    "socket of SHADOW_QUEUE=unix:///path, or from the broker of SHADOW_QUEUE=kafka://… or sqs://…. Run as "
    "many as you like behind a broker, on any host, with the environment of the app. Start it before or "
    "after the apps; it drains on SIGTERM within SHADOW_DRAIN_SECONDS."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--queue", help="the queue to work off (default: SHADOW_QUEUE)")
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="where it answers /healthz, /readyz and /metrics (default: SHADOW_WORKER_LISTEN)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Work until SIGTERM or Ctrl-C; the exit code."""
    from shadow_mw.cli.company import company

    given = {"queue": arguments.queue, "worker_listen": arguments.listen}
    settings = load_settings(**{name: value for name, value in given.items() if value})
    _check(settings)
    with company(settings) as beside:
        if is_broker(settings.queue):
            _consume(settings, beside)
        else:
            _listen(settings, beside)
    return 0


def _check(settings: Settings) -> None:
    if not (settings.queue.startswith("unix:") or is_broker(settings.queue)):
        raise SettingsError(
            f"SHADOW_QUEUE is {settings.queue}: a worker of its own needs unix:///path/of.sock, "
            "kafka://BROKER:9092/TOPIC or sqs://REGION/NAME, the same as the app's"
        )
    if settings.is_inert:
        raise SettingsError(
            "SHADOW_TARGETS is not set, or SHADOW_ENABLED is 0: there is nothing to mirror to"
        )


def _consume(settings: Settings, beside: dict[str, Any]) -> None:
    from shadow_mw.broker_worker import run as work

    print(f"shadow-mw worker takes from {settings.queue}", file=sys.stderr, flush=True)
    work(settings, **beside)


def _listen(settings: Settings, beside: dict[str, Any]) -> None:
    from shadow_mw.process import listen
    from shadow_mw.process import run as work

    path = settings.queue.removeprefix("unix://")
    try:
        listener = listen(path)
    except OSError as error:
        raise SettingsError(f"SHADOW_QUEUE: cannot listen at {path}: {error.strerror or error}") from None
    print(f"shadow-mw worker listens at {path}", file=sys.stderr, flush=True)
    work(settings, listener, is_alone=False, **beside)
