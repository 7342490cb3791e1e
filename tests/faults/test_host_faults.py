"""What the host, the log and a user's own code do to a mirror: production answers all the same."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi_driver import chunked, http_scope, run
from fault_proxy import FAULTS, FaultProxy
from mirrored_app import ANSWER, JSON, MirroredApp
from process_tools import DEADLINE_SECONDS, comparisons, until
from stub_shadow import StubShadow

from shadow_mw import ShadowMiddleware
from shadow_mw.boundary import Guard

Mirror = Callable[..., MirroredApp]
QUEUES = ["inline:", "process:"]


class Handler(logging.Handler):
    """A handler of the app's that does something else than writing lines."""

    def __init__(self, does: Callable[[], object]) -> None:
        super().__init__()
        self._does = does
        self.was_called = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.was_called.set()
        self._does()


@pytest.fixture
def handle() -> Iterator[Callable[[Callable[[], object]], Handler]]:
    """Adds handlers to the library's log."""
    log, added = logging.getLogger("shadow_mw"), []

    def add(does: Callable[[], object]) -> Handler:
        added.append(Handler(does))
        log.addHandler(added[-1])
        return added[-1]

    yield add
    for handler in added:
        log.removeHandler(handler)


def refuse() -> None:
    raise RuntimeError("the log is full")


@pytest.fixture
def broken_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A store that can't be written, so that there is something to log."""
    path = tmp_path / "no-store"
    path.write_text("a file where the folder should be")
    monkeypatch.setenv("SHADOW_STORE", str(path))
    return path


@pytest.mark.fault("log-raises", "disk")
@pytest.mark.parametrize("queue", QUEUES)
def test_a_log_handler_that_raises_costs_its_line_and_nothing_else(
    runtime: Any, mirrored: Mirror, shadow: StubShadow, handle: Any, broken_store: Path, queue: str
) -> None:
    app = mirrored(shadow.url, queue=queue)
    handler = handle(refuse)
    app.ask()
    assert handler.was_called.wait(DEADLINE_SECONDS)
    app.ask(times=20)
    assert app.counts() == {"eligible": 21, "compared": 21, "agree": 21, "records_dropped": 21}


@pytest.mark.fault("log-raises", "odd-app")
def test_a_capture_that_fails_under_such_a_handler_changes_nothing_either(
    shadow: StubShadow, handle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "headers": [JSON]})
        await send({"type": "http.response.body", "body": "text"})

    monkeypatch.setattr("shadow_mw.asgi._guard", Guard("capturing an exchange"))
    handler = handle(refuse)
    middleware = ShadowMiddleware(odd, targets=shadow.url, routes="POST /predict")
    assert run(middleware, http_scope(), chunked(ANSWER)) == run(odd, http_scope(), chunked(ANSWER))
    assert handler.was_called.is_set()
    middleware._installation.close()


@pytest.mark.fault("log-blocks")
@pytest.mark.parametrize("queue", QUEUES)
def test_a_log_handler_that_blocks_holds_no_answer(
    runtime: Any, mirrored: Mirror, shadow: StubShadow, handle: Any, broken_store: Path, queue: str
) -> None:
    release = threading.Event()
    app = mirrored(shadow.url, queue=queue)
    handler = handle(lambda: release.wait(DEADLINE_SECONDS))
    app.ask()
    assert handler.was_called.wait(DEADLINE_SECONDS)
    app.ask(times=20)
    assert not release.is_set()
    release.set()
    assert app.counts()["eligible"] == 21


@pytest.mark.fault("comparator-blocks")
@pytest.mark.parametrize("queue", QUEUES)
def test_a_comparator_that_blocks_holds_no_answer(
    runtime: Any,
    mirrored: Mirror,
    shadow: StubShadow,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    queue: str,
) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    (tmp_path / "blocking_comparator.py").write_text(
        "import pathlib, time\n"
        "def judge(production, shadow):\n"
        f"    pathlib.Path({str(begun)!r}).touch()\n"
        f"    while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        "    return production == shadow\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    app = mirrored(shadow.url, queue=queue, compare="python:blocking_comparator:judge", queue_size=10)
    app.ask()
    until(begun.exists, "a comparison")
    app.ask(times=40)
    go.touch()
    counts = app.counts()
    assert counts["eligible"] == 41
    assert counts["compared"] + counts.get("queue_full", 0) == 41
    app.recovers()


@pytest.fixture
def jumping_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Each call has the clock jump: a year back, a year ahead."""
    year = 365 * 86400
    offsets, offset = itertools.cycle((-year, year, 0)), [0]
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + offset[0])
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + offset[0] * 10**9)

    def jump() -> None:
        offset[0] = next(offsets)

    return jump


@pytest.mark.fault("clock")
def test_no_latency_deadline_or_circuit_goes_by_a_clock_that_jumps(
    library: str, mirrored: Mirror, shadow: StubShadow, tmp_path: Path, jumping_clock: Callable[[], None]
) -> None:
    with FaultProxy(shadow.url) as proxy:
        app = mirrored(
            proxy.url, timeout_seconds=1.0, breaker_failures=2, breaker_reset_seconds=3600, max_concurrency=1
        )
        while app.counts().get("compared", 0) < 4:
            app.ask()
            jumping_clock()
        proxy.set(FAULTS["hangs"])
        while "circuit_open" not in app.counts():
            app.ask()
            jumping_clock()
        before = proxy.connections
        for _ in range(6):
            jumping_clock()
            app.ask()
        assert app.counts()["circuit_open"] >= 7
        assert proxy.connections == before
    app.close()
    for one in comparisons(tmp_path / "store"):
        assert 0 <= one["production_us"] < 60_000_000
        assert 0 < one["shadow_us"] < 60_000_000
        assert one["queue_us"] >= 0


FEW_DESCRIPTORS = """
import os, resource, uvicorn
os.dup2(1, 251)  # inheritable, as what some shells hand down
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
uvicorn.run("process_app:app", port=0)
"""


@pytest.mark.fault("descriptors")
@pytest.mark.parametrize("queue", QUEUES)
def test_with_few_descriptors_production_accepts_beside_a_shadow_that_hangs(
    start: Any, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:
        program = start(
            "-c",
            FEW_DESCRIPTORS,
            SHADOW_QUEUE=queue,
            SHADOW_TARGETS=f"http://127.0.0.1:{silent.getsockname()[1]}",
            SHADOW_TIMEOUT_SECONDS="3600",
            SHADOW_MAX_CONCURRENCY="8",
            SHADOW_DRAIN_SECONDS="0.2",
        )
        assert program.ask_many(200, threads=4) == [b"[1]"] * 200
        silent.settimeout(DEADLINE_SECONDS)
        asked, _ = silent.accept()  # so the worker is up, and has the books
        asked.close()
        held = len(os.listdir(f"/proc/{program.process.pid}/fd"))
        assert held < 48, program.log
        program.process.terminate()
        program.wait()
        assert "Traceback" not in program.log
        books = program.books(200)
        assert books["eligible"] == 200
