"""Brokers behind real programs: an app, its mirror process, workers."""

from __future__ import annotations

import signal
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from process_fixtures import runtime, shadow, start
from process_tools import Program, comparisons, tallies, until

#: The fixtures for a conftest of tests with a broker.
__all__ = ["Site", "compared_once", "ended", "runtime", "shadow", "site", "start"]

NOISE = ("Traceback", "never awaited", "was destroyed")
FAST = {
    "SHADOW_KAFKA_SESSION_TIMEOUT_MS": "6000",
    "SHADOW_KAFKA_HEARTBEAT_INTERVAL_MS": "500",
    "SHADOW_KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS": "1000",
    "SHADOW_BREAKER_RESET_SECONDS": "0.5",
    "SHADOW_DRAIN_SECONDS": "20",
    "SHADOW_TIMEOUT_SECONDS": "100",
}


class Site:
    """An app and workers that share a queue, a store and a shadow."""

    def __init__(self, start: Callable[..., Program], queue: str, targets: str, **environment: str) -> None:
        self._start = start
        self._environment = {"SHADOW_QUEUE": queue, "SHADOW_TARGETS": targets, **FAST, **environment}
        self.queue = queue
        self.workers: list[Program] = []

    def app(self, **environment: str) -> Program:
        """A server with the one line in its app."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = ["-m", "uvicorn", "process_app:app", "--port", str(port), "--log-level", "warning"]
        return self._start(*command, port=port, **{**self._environment, **environment})

    def worker(self, **environment: str) -> Program:
        program = self._start("-m", "shadow_mw", "worker", **{**self._environment, **environment})
        self.workers.append(program)
        return program

    def ready(self, *workers: Program) -> None:
        """Wait until workers take from the queue, so that they share it."""
        for worker in workers:
            worker.says("shadow-mw worker takes from")


@pytest.fixture
def site(start: Callable[..., Program]) -> Callable[..., Site]:
    def make(queue: str, targets: str, **environment: str) -> Site:
        return Site(start, queue, targets, **environment)

    return make


def compared_once(store: Path, count: int) -> None:
    """The books close over so many requests, and each has one record."""
    until(lambda: tallies(store).get("eligible", 0) >= count, lambda: tallies(store))
    assert tallies(store) == {"eligible": count, "compared": count, "agree": count}
    assert Counter(Counter(one["request_id"] for one in comparisons(store)).values()) == {1: count}


def ended(*programs: Program) -> None:
    for program in programs:
        program.tell(signal.SIGTERM)
    for program in programs:
        assert program.wait() in (0, -signal.SIGTERM), program.log
        assert not any(noise in program.log for noise in NOISE), program.log
