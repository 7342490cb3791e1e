"""The mirror process is killed, ended, stopped and capped while an app is being asked."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from process_load import Load
from process_tools import DEADLINE_SECONDS, ROUTES, Program, closed, records, tallies, until
from stub_shadow import Asked, Reply, StubShadow

from shadow_mw.queues.outbox import Partly


@pytest.fixture
def server(start, shadow):
    """Two server processes that are ready, and their mirror process too."""
    program = start(
        *("-m", "uvicorn", "process_app:app", "--workers", "2", "--port", "0"),
        SHADOW_TARGETS=shadow.url,
        SHADOW_QUEUE_SIZE="50",
    )
    program.ask()
    program.statistics()
    return program


class Gate:
    """A shadow's answer that waits until it may be given."""

    def __init__(self) -> None:
        self.is_open = threading.Event()

    def __call__(self, asked: Asked) -> Reply:
        self.is_open.wait(DEADLINE_SECONDS)
        return Reply(body=asked.body)


def under_load(program: Program) -> list[Load]:
    loads = [Load(program.ask) for _ in range(4)]
    for load in loads:
        load.start()
    return loads


@pytest.mark.fault("mirror-killed")
def test_killing_it_under_load_costs_no_answer_and_the_books_close(server, shadow, runtime):
    shadow.answer = gate = Gate()
    loads = under_load(server)
    shadow.wait_for(9)
    first = runtime.mirror()
    os.kill(first, signal.SIGKILL)
    for load in loads:
        load.wait_for_more(5)
    gate.is_open.set()
    second = runtime.other_mirror(first)
    os.kill(second, signal.SIGKILL)
    assert runtime.other_mirror(second)
    for load in loads:
        load.wait_for_more(20)
    sent = 1 + sum(load.stop() for load in loads)
    server.statistics()
    books = server.books(sent)
    assert books["worker_lost"] >= 8, "those that the shadow was being asked for"
    assert books["compared"] >= 1
    # A kill between the store and its word to the app counts that batch on both sides.
    assert sent <= books["eligible"] <= sent + 500
    assert len(runtime.mirrors()) == 1


@pytest.mark.fault("mirror-killed")
def test_what_one_shadow_has_done_is_not_lost_with_what_another_has_not(make_app, shadow, runtime):
    """Its comparisons are in the store: booked as lost, they would be counted twice."""
    gate = Gate()
    with StubShadow(gate) as slow:
        app = make_app(f"quick={shadow.url}, slow={slow.url}")
        app.ask(times=5)
        kept = app.installation._queue._outbox._unacknowledged
        until(
            lambda: list(kept.values()) == [Partly(ROUTES, frozenset({"quick"}))] * 5,
            lambda: f"parts in {kept}",
        )
        first = runtime.mirror()
        os.kill(first, signal.SIGKILL)
        assert runtime.other_mirror(first)
        gate.is_open.set()
        app.ask()
        app.drained()
    found = {"quick": Counter(), "slow": Counter()}
    for tally in records(Path(app.installation.settings.store)):
        if tally["kind"] == "tally":
            found[tally["shadow"]].update(tally["counts"])
    assert found == {
        "quick": {"eligible": 6, "compared": 6, "agree": 6},
        "slow": {"eligible": 6, "compared": 1, "agree": 1, "worker_lost": 5},
    }


@pytest.mark.fault("mirror-killed")
def test_ending_it_drains_it_and_another_comes(server, shadow, runtime):
    loads = under_load(server)
    for load in loads:
        load.wait_for_more(10)
    first = runtime.mirror()
    os.kill(first, signal.SIGTERM)
    assert runtime.other_mirror(first)
    for load in loads:
        load.wait_for_more(20)
    sent = 1 + sum(load.stop() for load in loads)
    server.statistics()
    books = server.books(sent)
    assert books["eligible"] == sent, "each exactly once, although two processes have booked"
    assert books["compared"] + books.get("worker_lost", 0) + books.get("queue_full", 0) == sent


@pytest.mark.fault("mirror-frozen", "full")
def test_stopping_it_harms_nobody(server, shadow, runtime):
    mirror = runtime.mirror()
    os.kill(mirror, signal.SIGSTOP)
    body = b'"%s"' % (b"x" * 20_000)
    assert set(server.ask_many(250, body)) == {body}
    assert Path(f"/proc/{mirror}/stat").read_text().rpartition(") ")[2][0] == "T"
    os.kill(mirror, signal.SIGCONT)
    counts = server.statistics()
    server.statistics()  # of the other process
    books = server.books(251)
    assert counts["eligible"] <= 251
    assert books["eligible"] == 251
    assert books["queue_full"] > 0
    assert books["compared"] > 50
    assert set(books) == {"eligible", "queue_full", "compared", "agree"}
    assert runtime.mirror() == mirror


@pytest.mark.fault("mirror-frozen")
def test_an_app_that_ends_beside_a_stopped_one_ends_in_time(make_app, shadow, runtime):
    app = make_app(shadow.url, drain_seconds=0.5)
    app.ask()
    app.drained()
    mirror = runtime.mirror()
    os.kill(mirror, signal.SIGSTOP)
    try:
        app.ask(times=3)
        queue = app.installation._queue
        until(lambda: "waiting=0, unacknowledged=3" in repr(queue), lambda: repr(queue))
        closing = threading.Thread(target=app.installation.close)
        closing.start()
        closing.join(DEADLINE_SECONDS)
        assert not closing.is_alive()
    finally:
        os.kill(mirror, signal.SIGCONT)
    until(lambda: tallies(Path(app.installation.settings.store)).get("eligible") == 4, "what it was sent")


def test_drain_outlasts_a_kill(make_app, shadow, runtime):
    shadow.answer = gate = Gate()
    app = make_app(shadow.url)
    app.ask(times=4)
    shadow.wait_for(4)
    results: list[bool] = []
    draining = threading.Thread(target=lambda: results.append(app.installation.drain(DEADLINE_SECONDS)))
    draining.start()
    os.kill(runtime.mirror(), signal.SIGKILL)
    draining.join(DEADLINE_SECONDS)
    gate.is_open.set()
    assert results == [True]
    assert app.counts() == {"eligible": 4, "worker_lost": 4}


@pytest.mark.fault("mirror-memory")
def test_a_cap_on_memory_ends_it_and_not_the_app(make_app, shadow, monkeypatch, caplog):
    from shadow_mw.queues import mirror_process

    monkeypatch.setattr(mirror_process, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(mirror_process, "_ATTEMPTS", 2)
    app = make_app(shadow.url, memory_bytes="8MiB")
    app.ask(times=3)
    until(lambda: "mirroring is off" in caplog.text, lambda: caplog.text)
    app.ask(times=3)
    assert app.counts() == {"eligible": 6, "worker_lost": 6}
    # Some libraries written in C forget to say MemoryError.
    assert re.search(r"last words: .*(MemoryError|SystemError)", caplog.text)


@pytest.mark.fault("mirror-memory")
def test_memory_that_runs_out_at_work_costs_exchanges_and_no_answer(make_app, shadow):
    app = make_app(shadow.url, memory_bytes="100MiB")
    app.ask_from_threads(8, 15, random.Random(1).randbytes(2**20))
    app.installation.drain(1)
    assert "worker_lost" in app.counts() or "queue_full" in app.counts()


def test_within_its_cap_on_memory_it_works(make_app, shadow, runtime):
    app = make_app(shadow.url, memory_bytes="512MiB")
    app.ask(times=3)
    assert app.drained()["compared"] == 3
    limits = Path(f"/proc/{runtime.mirror()}/limits").read_text()
    assert [line.split()[3] for line in limits.splitlines() if line.startswith("Max data size")] == [
        str(512 * 2**20)
    ]


def test_its_share_of_cpu_is_kept(make_app, shadow, runtime, tmp_path):
    """Over some seconds: what it has read it works off, so the line is short here.

    A machine that is busy otherwise may give it less.
    """
    import time

    share = 0.2
    app = make_app(shadow.url, cpu_seconds_per_second=share, queue_size=50)
    app.ask()
    app.drained()
    mirror = runtime.mirror()
    load = Load(app.ask)
    began, used = time.monotonic(), cpu_seconds(mirror)
    load.start()
    until(lambda: cpu_seconds(mirror) - used > 0.8 or time.monotonic() - began > 20, "work")
    seconds, spent = time.monotonic() - began, cpu_seconds(mirror) - used
    load.stop()
    assert spent / seconds < 2 * share
    app.installation.close()
    closed(tallies(tmp_path / "store"))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
