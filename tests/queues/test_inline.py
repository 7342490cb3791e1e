"""The inline queue: bounded, never blocking, restarted, fork-safe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from stub_shadow import StubShadow

from shadow_mw.queues.inline import InlineQueue
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange


def exchange(number: int = 0, size: int = 0) -> Exchange:
    return Exchange(
        request=CapturedRequest(
            exchange_id=str(number),
            request_id=str(number),
            ts_us=0,
            method="POST",
            route="POST /predict",
            path="/predict",
            body=b"x" * size,
        ),
        response=CapturedResponse(exchange_id=str(number), seconds=0.0, status=200),
    )


class Collecting:
    """An engine that finishes each message when it is allowed to."""

    def __init__(self, gate: threading.Event | None = None, fail: bool = False) -> None:
        self.gate = gate
        self.fail = fail
        self.seen: list[str] = []
        self.flushes = 0

    async def run(self, source):
        if self.fail:
            raise RuntimeError("planted")
        async for delivery in source.deliveries():
            if self.gate is not None:
                await anyio.to_thread.run_sync(self.gate.wait, 30)
            self.seen.append(delivery.message.request.request_id)
            delivery.done()

    async def flush(self):
        self.flushes += 1


def queue_of(
    engine: Collecting, lost: list | None = None, *, size: int = 100, size_bytes: int = 1000
) -> InlineQueue:
    sink = [] if lost is None else lost
    return InlineQueue(lambda: engine, lost=sink.extend, size=size, size_bytes=size_bytes)


def test_what_is_offered_arrives_in_order_and_drain_waits_for_it():
    engine = Collecting()
    queue = queue_of(engine)
    assert all(queue.offer(exchange(number)) for number in range(50))
    assert queue.drain(20)
    assert engine.seen == [str(number) for number in range(50)]
    assert engine.flushes == 1
    queue.close(5)


@pytest.mark.fault("full", "full-bytes")
def test_a_full_queue_says_no_by_count_and_by_bytes_and_has_room_again():
    gate = threading.Event()
    queue = queue_of(Collecting(gate), size=2, size_bytes=100)
    assert queue.offer(exchange(1, 40))
    assert not queue.offer(exchange(2, 61))
    assert queue.offer(exchange(3, 60))
    assert not queue.offer(exchange(4, 0))
    gate.set()
    assert queue.drain(20)
    assert queue.offer(exchange(5, 100))
    assert queue.drain(20)
    queue.close(5)


def test_offering_from_many_threads_loses_and_doubles_nothing():
    engine = Collecting()
    queue = queue_of(engine, size=10_000)
    threads = [
        threading.Thread(
            target=lambda part=part: [queue.offer(exchange(part * 1000 + n)) for n in range(200)]
        )
        for part in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.drain(30)
    assert sorted(map(int, engine.seen)) == sorted(part * 1000 + n for part in range(8) for n in range(200))
    queue.close(5)


def test_a_worker_that_cannot_start_loses_what_it_was_given_and_is_not_started_in_a_loop(caplog):
    lost: list[Exchange] = []
    starts = []
    engine = Collecting(fail=True)

    def make():
        starts.append(1)
        return engine

    now = [100.0]
    queue = InlineQueue(make, lost=lost.extend, size=10, size_bytes=1000, clock=lambda: now[0])
    queue.start()
    queue._run._thread.join(20)
    assert all(queue.offer(exchange(number)) for number in range(20))
    assert [one.request.request_id for one in lost] == [str(number) for number in range(20)]
    assert len(starts) == 1
    engine.fail = False
    now[0] += 5.0
    assert queue.offer(exchange(20))
    assert queue.drain(20)
    assert (engine.seen, len(starts)) == (["20"], 2)
    queue.close(5)
    assert "the mirror's worker stopped; production is not affected" in caplog.text


def test_closing_twice_or_unused_is_fine():
    queue = queue_of(Collecting())
    queue.close(1)
    before = set(threading.enumerate())
    assert queue.offer(exchange())
    [thread] = [one for one in set(threading.enumerate()) - before if one.name == "shadow_mw"]
    queue.close(5)
    queue.close(5)
    assert not thread.is_alive()


class Filling(RuleBasedStateMachine):
    """Whatever is offered and finished, the queue holds no more than it may."""

    @initialize()
    def begin(self) -> None:
        self.queue = queue_of(Collecting(), size=5, size_bytes=50)
        self.queue._ensure_run = _Deaf
        self.held: list[int] = []

    @rule(size=st.integers(0, 30))
    def offer(self, size: int) -> None:
        fits = len(self.held) < 5 and sum(self.held) + size <= 50
        assert self.queue.offer(exchange(0, size)) == fits
        if fits:
            self.held.append(size)

    @rule()
    def finish(self) -> None:
        delivery = self.queue.take()
        if delivery is None:
            return
        self.held.pop(0)
        delivery.done()
        delivery.done()

    @invariant()
    def counts_are_right(self) -> None:
        if hasattr(self, "held"):
            assert repr(self.queue) == f"InlineQueue(held={len(self.held)}, held_bytes={sum(self.held)})"


class _Deaf:
    def wake(self) -> None: ...


TestFilling = Filling.TestCase
TestFilling.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


FORKING = textwrap.dedent(
    """
    import json, os, sys
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient
    from shadow_mw import ShadowMiddleware, statistics
    from shadow_mw.testing import drain

    async def predict(request):
        return JSONResponse(await request.json())

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    app = ShadowMiddleware(app)
    ask = lambda name: TestClient(app).post("/predict", json={}, headers={"x-request-id": name})
    if sys.argv[1] == "used":
        ask("before")
        assert drain(20)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    ask("child" if child == 0 else "parent")
    assert drain(20)
    counts = statistics()[0].shadows[0].routes["POST /predict"]
    print(json.dumps(["child" if child == 0 else "parent", counts]), flush=True)
    if child == 0:
        os._exit(0)
    """
)


def _forked(stage: str) -> tuple[list[str], dict[str, dict[str, int]]]:
    with StubShadow() as shadow:
        environment = {**os.environ, "SHADOW_TARGETS": shadow.url, "SHADOW_ROUTES": "POST /predict"}
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING, stage],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        ids = sorted(asked.header("x-request-id") or "" for asked in shadow.asked)
    return ids, dict(json.loads(line) for line in done.stdout.splitlines())


def test_a_fork_before_first_use_gives_each_process_a_mirror_of_its_own():
    ids, counts = _forked("unused")
    assert ids == ["child", "parent"]
    assert counts["child"] == counts["parent"] == {"eligible": 1, "compared": 1, "agree": 1}


@pytest.mark.fault("forks")
def test_a_fork_after_first_use_loses_and_doubles_nothing(tmp_path):
    ids, counts = _forked("used")
    assert ids == ["before", "child", "parent"]
    assert counts["child"] == {"eligible": 1, "compared": 1, "agree": 1}
    assert counts["parent"] == {"eligible": 2, "compared": 2, "agree": 2}
    lines = [
        json.loads(line)
        for segment in (tmp_path / "store" / "hot").glob("*.jsonl")
        for line in segment.read_text().splitlines()
    ]
    assert sorted(line["request_id"] for line in lines if line["kind"] == "comparison") == ids
    assert sum(line["counts"].get("eligible", 0) for line in lines if line["kind"] == "tally") == 3
