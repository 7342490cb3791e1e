"""When the process ends, nothing hangs, nothing is printed, and the books are closed."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from server_process import CLOSE, NOISE, SERVERS, Server, post, session, until
from stub_shadow import Asked, Reply, StubShadow

SENT = 12
CONCURRENCY = 4
DRAIN_SECONDS = 1.0
#: For the server's own ending on a busy machine; far under the shadow's patience of 60 s.
MARGIN_SECONDS = 10.0

Start = Callable[..., Server]


@pytest.fixture(scope="module")
def slow_shadow() -> Iterator[StubShadow]:
    is_over = threading.Event()

    def answer(asked: Asked) -> Reply:
        is_over.wait(100)
        return Reply()

    with StubShadow(answer) as stub:
        yield stub
        is_over.set()


@pytest.fixture(scope="module")
def quick_shadow() -> Iterator[StubShadow]:
    with StubShadow() as stub:
        yield stub


def settings(shadow: StubShadow, **more: str) -> dict[str, str]:
    return {
        "SHADOW_TARGETS": shadow.url,
        "SHADOW_ROUTES": "POST /predict",
        "SHADOW_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "SHADOW_TIMEOUT_SECONDS": "60",
        "SHADOW_MAX_CONCURRENCY": str(CONCURRENCY),
        **more,
    }


def send_all(server: Server) -> None:
    for number in range(SENT):
        assert server.send(post(b"%d" % number, "", CLOSE)).startswith(b"HTTP/1.1 200")


@pytest.fixture(scope="module")
def starting(
    start: Start, slow_shadow: StubShadow, quick_shadow: StubShadow
) -> dict[str, tuple[Server, Server]]:
    """A server of each kind with a shadow that hangs and with one that answers; all start at once."""
    return {
        name: (
            start(command, **settings(slow_shadow)),
            start(command, **settings(quick_shadow, SHADOW_DRAIN_SECONDS="20")),
        )
        for name, command in SERVERS.items()
    }


@pytest.mark.fault("terminated")
@pytest.mark.parametrize("name", SERVERS)
def test_a_hanging_shadow_holds_the_end_up_no_longer_than_allowed(
    starting: dict[str, tuple[Server, Server]], slow_shadow: StubShadow, name: str
) -> None:
    server, _ = starting[name]
    asked_before = len(slow_shadow.asked)
    send_all(server)
    slow_shadow.wait_for(asked_before + CONCURRENCY)
    seconds = server.stop()
    comparisons, tally = server.records()
    assert DRAIN_SECONDS <= seconds < DRAIN_SECONDS + MARGIN_SECONDS
    assert not NOISE.search(server.log), server.log
    assert comparisons == []
    assert tally == {"eligible": SENT, "worker_lost": SENT}


@pytest.mark.parametrize("name", SERVERS)
def test_with_a_shadow_that_answers_everything_is_in_the_store(
    starting: dict[str, tuple[Server, Server]], name: str
) -> None:
    _, server = starting[name]
    send_all(server)
    server.stop()
    comparisons, tally = server.records()
    assert not NOISE.search(server.log), server.log
    assert sorted(int(one["features"]) for one in comparisons) == list(range(SENT))
    assert {key: tally[key] for key in ("eligible", "compared")} == {"eligible": SENT, "compared": SENT}
    assert len({one["record_id"] for one in comparisons}) == SENT


UVICORN = ["uvicorn", "server_app:app", "--port", "0"]
ENDINGS = {
    "uvicorn, interrupted": (UVICORN, signal.SIGINT),
    "uvicorn, terminated": (UVICORN, signal.SIGTERM),
    "uvicorn without lifespan, interrupted": ([*UVICORN, "--lifespan", "off"], signal.SIGINT),
    "uvicorn without lifespan, terminated": ([*UVICORN, "--lifespan", "off"], signal.SIGTERM),
    "hypercorn, terminated": (
        ["hypercorn", "server_app:app", "-b", "127.0.0.1:0", "-w", "0"],
        signal.SIGTERM,
    ),
}


@pytest.fixture(scope="module")
def strict(start: Start, quick_shadow: StubShadow) -> dict[str, Server]:
    """Servers under Python's development mode in which every warning is an error."""
    return {
        name: start(command, python=("-W", "error", "-X", "dev"), **settings(quick_shadow))
        for name, (command, _) in ENDINGS.items()
    }


@pytest.mark.fault("loop-ends")
@pytest.mark.parametrize("name", ENDINGS)
def test_not_one_warning_in_development_mode(strict: dict[str, Server], name: str) -> None:
    server = strict[name]
    send_all(server)
    assert server.counts()["compared"] == SENT
    assert server.stop(ENDINGS[name][1]) < MARGIN_SECONDS
    assert not NOISE.search(server.log), server.log


def test_without_lifespan_an_interrupt_still_brings_everything_to_the_store(
    start: Start, quick_shadow: StubShadow
) -> None:
    server = start([*UVICORN, "--lifespan", "off"], **settings(quick_shadow))
    send_all(server)
    server.stop(signal.SIGINT)
    comparisons, tally = server.records()
    assert len(comparisons) == tally["compared"] == tally["eligible"] == SENT


SCRIPTS = {
    "a test client without lifespan": """
        from starlette.testclient import TestClient
        client = TestClient(app)
        for number in range(3):
            assert client.post("/predict", content=b"%d" % number).status_code == 200
    """,
    "a test client with lifespan": """
        from starlette.testclient import TestClient
        with TestClient(app) as client:
            for number in range(3):
                assert client.post("/predict", content=b"%d" % number).status_code == 200
    """,
    "a loop of its own": """
        import anyio, httpx
        async def main():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                for number in range(3):
                    assert (await client.post("/predict", content=b"%d" % number)).status_code == 200
        anyio.run(main)
    """,
    "a thread that is still serving": """
        import anyio, httpx, threading
        async def main():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                for number in range(3):
                    assert (await client.post("/predict", content=b"%d" % number)).status_code == 200
                served.set()
                await anyio.sleep(600)
        served = threading.Event()
        threading.Thread(target=anyio.run, args=(main,), daemon=True).start()
        served.wait()
    """,
}


def script(folder: Path, text: str) -> list[str]:
    """The module name of a script that has the app."""
    lines = [line[8:] for line in text.splitlines()]
    (folder / "script_of_a_test.py").write_text("from server_app import app\n" + "\n".join(lines))
    return ["script_of_a_test"]


@pytest.mark.fault("exits", "loop-ends")
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_just_ends(tmp_path: Path, quick_shadow: StubShadow, start: Start, name: str) -> None:
    process = start(script(tmp_path, SCRIPTS[name]), cwd=tmp_path, **settings(quick_shadow))
    assert process.wait() == 0, process.log
    assert not NOISE.search(re.sub(".*StarletteDeprecationWarning.*", "", process.log)), process.log
    comparisons, tally = process.records()
    assert len(comparisons) == tally["compared"] == tally["eligible"] == 3


@pytest.mark.fault("exits", "loop-ends")
def test_a_script_ends_although_its_shadow_hangs(
    tmp_path: Path, slow_shadow: StubShadow, start: Start
) -> None:
    process = start(script(tmp_path, SCRIPTS["a loop of its own"]), cwd=tmp_path, **settings(slow_shadow))
    assert process.wait() == 0, process.log
    assert not NOISE.search(process.log), process.log
    assert process.records() == ([], {"eligible": 3, "worker_lost": 3})


@pytest.mark.fault("reloads")
def test_a_reloading_server_leaves_nobody_behind(
    tmp_path: Path, quick_shadow: StubShadow, start: Start
) -> None:
    (tmp_path / "reloaded_app.py").write_text("from server_app import app\n")
    command = ["uvicorn", "reloaded_app:app", "--port", "0", "--reload", "--reload-dir", str(tmp_path)]
    server = start(command, cwd=tmp_path, **settings(quick_shadow))
    port = server.port
    first = until(lambda: pid_of(server), "a server that answers")
    send_all(server)
    (tmp_path / "reloaded_app.py").write_text("from server_app import app  # changed\n")
    second = until(lambda: pid_of(server) not in (0, first) and pid_of(server), "a new process")
    send_all(server)
    assert (server.port, server.counts()["compared"]) == (port, SENT)
    assert first not in session(server.process.pid)
    server.tell()
    server.process.wait(MARGIN_SECONDS * 3)
    until(lambda: session(server.process.pid) == [], "an end of all processes")
    comparisons, tally = server.records()
    assert second != first
    assert not NOISE.search(server.log), server.log
    assert len(comparisons) == tally["compared"] == tally["eligible"] == 2 * SENT


def pid_of(server: Server) -> int:
    """The pid of the process that serves, or 0 while none does."""
    answer: dict[str, Any] = {"pid": 0}
    with contextlib.suppress(OSError, AssertionError):
        answer = server.get("/process")
    return int(answer["pid"])
