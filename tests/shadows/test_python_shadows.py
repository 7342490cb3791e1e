"""Shadows without a server: what a model in a process of its own does, and what it can't do to the worker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from asgi_driver import chunked, http_scope, run

from shadow_mw import ShadowMiddleware
from shadow_mw.caps.wish import Wish
from shadow_mw.exceptions import (
    ShadowAnswerTooLarge,
    ShadowError,
    ShadowModelError,
    ShadowProtocolError,
    ShadowUnreachable,
)
from shadow_mw.records import BUCKETS, CapturedRequest
from shadow_mw.shadows.python import PythonShadow
from shadow_mw.targets import Target
from shadow_mw.testing import drain

pytestmark = pytest.mark.skipif(os.name != "posix", reason="python: targets need POSIX")

JSON = (b"content-type", b"application/json")
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _models(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


def captured(features: Any) -> CapturedRequest:
    return CapturedRequest(
        exchange_id="e",
        request_id="r",
        ts_us=0,
        method="POST",
        route="POST /predict",
        path="/predict",
        headers=(JSON,),
        body=json.dumps(features).encode(),
    )


class Asking:
    """A shadow with its answers decoded."""

    def __init__(self, shadow: PythonShadow) -> None:
        self.shadow = shadow

    async def __call__(self, features: Any) -> Any:
        answer = await self.shadow.ask(captured(features), {"traceparent": "x"})
        assert (answer.status, answer.headers, answer.is_prediction) == (200, (JSON,), True)
        return json.loads(answer.body)

    async def after_pause(self, features: Any) -> Any:
        """The answer once the process is up again."""
        while True:
            with contextlib.suppress(ShadowUnreachable):
                return await self(features)
            await anyio.sleep(0.05)  # another process gives no event to wait for


def children() -> set[int]:
    """Processes of models that this process has."""
    found = set()
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread may end meanwhile; its children are another's then
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return {pid for pid in found if is_model(pid)}


def is_model(pid: int) -> bool:
    """True for a living process of a model; other tests may have left a mirror process that still drains."""
    try:
        return b"shadow_mw.shadows.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 another process gives no event to wait for
            await anyio.sleep(0.01)


async def until_gone(pid: int) -> None:
    await until(lambda: not is_running(pid))


@contextlib.asynccontextmanager
async def asking(name: str, **keywords: Any) -> AsyncIterator[Asking]:
    before = children()
    settings = {
        "replicas": 1,
        "features": "",
        "max_body_bytes": 100_000,
        "wish": Wish(),
        "sandbox": "off",
    }
    shadow = PythonShadow(Target("candidate", f"python:{name}"), **(settings | keywords))
    try:
        yield Asking(shadow)
    finally:
        await shadow.aclose()
        assert children() == before, "a process was left behind"


def with_model(name: str, test: Callable[[Asking], Awaitable[None]], **keywords: Any) -> None:
    async def main() -> None:
        with anyio.fail_after(60):
            async with asking(name, **keywords) as ask:
                await test(ask)

    anyio.run(main)


@pytest.mark.fault("model-prints")
@pytest.mark.parametrize(
    ("name", "features", "prediction"),
    [
        ("shadow_models:predict", {"x": [1, 2]}, {"sum": 3}),
        ("shadow_models:later", [1], {"later": [1]}),
        ("shadow_models:model.predict", {"x": [1, 2.5]}, [2.0, 5.0]),
        ("shadow_models:scored", None, [{"label": "a", "score": 0.5}, 3, [[1.5]]]),
        ("shadow_models:noisy", None, "quiet"),
    ],
)
def test_a_callable_answers(name, features, prediction):
    async def test(ask: Asking) -> None:
        for _ in range(3):
            assert await ask(features) == prediction

    with_model(name, test)


def test_features_are_taken_out_by_path():
    async def test(ask: Asking) -> None:
        assert await ask({"input": {"x": [4]}}) == {"sum": 4}
        with pytest.raises(ShadowModelError, match="finds nothing") as caught:
            await ask({"output": 1})
        assert caught.value.error_type == "PayloadError"

    with_model("shadow_models:predict", test, features="input")


@pytest.mark.fault("model-raises")
@pytest.mark.parametrize(
    ("name", "error", "error_type", "sentence"),
    [
        ("raises", ShadowModelError, "KeyError", "the model raised KeyError: 'no\\\\nsuch\\\\ncolumn'"),
        ("exits_politely", ShadowModelError, "SystemExit", "the model raised SystemExit: bye"),
        ("returns_no_json", ShadowModelError, "TypeError", "object, which has no JSON"),
        ("huge", ShadowAnswerTooLarge, "ShadowAnswerTooLarge", "50000002 bytes"),
    ],
)
def test_what_a_model_does_wrong_is_an_error_and_the_process_stays(name, error, error_type, sentence):
    async def test(ask: Asking) -> None:
        for _ in range(3):
            before = children()
            with pytest.raises(error, match=sentence) as caught:
                await ask(1)
            assert caught.value.error_type == error_type
            assert "\n" not in str(caught.value)
            assert "Traceback" not in str(caught.value)
            assert not before or children() == before

    with_model(f"shadow_models:{name}", test)


@pytest.mark.fault("model-start")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no_such_module:f", "no_such_module:f cannot be imported: ModuleNotFoundError"),
        ("shadow_models:no_such_function", "AttributeError"),
        ("shadow_models:NUMBER", "is int, which can't be called"),
        ("broken_model:f", "cannot be imported: ZeroDivisionError: division by zero"),
        ("leaving_model:f", "cannot be imported: SystemExit: 4"),
        ("dying_model:f", "the model's process ended: exit code 5"),
    ],
)
def test_a_model_that_cannot_be_imported_is_unreachable_with_one_sentence(
    tmp_path, monkeypatch, name, sentence
):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_model.py").write_text("1 / 0\n")
    (tmp_path / "leaving_model.py").write_text("raise SystemExit(4)\n")
    (tmp_path / "dying_model.py").write_text("import os\nos._exit(5)\n")

    async def test(ask: Asking) -> None:
        with pytest.raises(ShadowError, match=sentence):
            await ask(1)
        with pytest.raises(ShadowUnreachable, match=r"the next start is due in 0\.5 s"):
            await ask(1)

    with_model(name, test)


@pytest.mark.fault("model-crashes", "model-frames")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dies", "exit code 3"),
        ("segfaults", "killed by SIGSEGV"),
        ("speaks_out_of_turn", "it sent something that is no answer"),
        ("answers_ahead", "it sent an answer that nobody asked for"),
        ("announces_a_gigabyte", "it sent something that is no answer"),
    ],
)
def test_a_process_that_breaks_is_an_error_and_another_one_is_started(name, reason):
    async def test(ask: Asking) -> None:
        with pytest.raises(ShadowProtocolError, match=reason):
            await ask("die")
        with pytest.raises(ShadowUnreachable, match=rf"{reason}.*; the next start is due in 0.5 s"):
            await ask("die")
        with pytest.raises(ShadowProtocolError, match=reason):
            await ask.after_pause("die")
        with pytest.raises(ShadowUnreachable, match="the next start is due in 1 s"):
            await ask("die")
        if name == "dies":
            assert await ask.after_pause("live")
            with pytest.raises(ShadowProtocolError, match=reason):
                await ask("die")
            with pytest.raises(ShadowUnreachable, match=r"due in 0\.5 s"):
                await ask("die")

    with_model(f"shadow_models:{name}", test)


def test_the_connection_may_have_a_high_number():
    """As in an app with many connections."""
    with contextlib.ExitStack() as held:
        for _ in range(300):
            held.enter_context(open(os.devnull))
        test_a_process_that_breaks_is_an_error_and_another_one_is_started("speaks_out_of_turn", "no answer")


@pytest.mark.fault("model-hangs")
def test_a_call_that_is_given_up_kills_the_process(tmp_path, monkeypatch):
    hanging = tmp_path / "hanging"
    monkeypatch.setenv("HANGING", str(hanging))

    async def test(ask: Asking) -> None:
        first = await ask("who are you?")
        async with anyio.create_task_group() as group:
            group.start_soon(ask, "hang")
            await until(hanging.exists)
            group.cancel_scope.cancel()
        await until_gone(first)
        # The next call may still meet the process that is just going.
        ended = (ShadowUnreachable, ShadowProtocolError)
        with pytest.raises(ended, match="a call was given up, because no answer came in time"):
            await ask("who are you?")
        assert await ask.after_pause("who are you?") != first

    with_model("shadow_models:hangs", test)


def test_processes_that_a_model_starts_go_with_it(tmp_path, monkeypatch):
    hanging = tmp_path / "hanging"
    monkeypatch.setenv("HANGING", str(hanging))

    async def test(ask: Asking) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ask, 1)
            await until(hanging.exists)
            grandchild = int(hanging.read_text())
            assert is_running(grandchild)
            group.cancel_scope.cancel()
        await until_gone(grandchild)

    with_model("shadow_models:hangs_with_a_child", test)


@pytest.mark.fault("model-grows")
def test_memory_is_capped_by_the_kernel():
    async def test(ask: Asking) -> None:
        with pytest.raises(ShadowModelError) as caught:
            await ask(1)
        assert caught.value.error_type == "MemoryError"

    with_model("shadow_models:allocates", test, wish=Wish(memory_bytes=2**30))


@pytest.mark.fault("model-grows")
def test_memory_that_the_kernel_does_not_count_is_watched():
    async def test(ask: Asking) -> None:
        with pytest.raises(ShadowProtocolError, match="its memory grew over SHADOW_MEMORY_BYTES"):
            await ask(1)

    with_model("shadow_models:grows", test, wish=Wish(memory_bytes=2**28))


@pytest.mark.fault("model-start")
def test_a_slow_start_is_waited_for_and_not_killed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    go = tmp_path / "go"
    (tmp_path / "slow_model.py").write_text(
        f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "def f(x): return os.getpid()\n"
    )

    async def test(ask: Asking) -> None:
        with anyio.move_on_after(0.3) as deadline:
            await ask(1)
        assert deadline.cancelled_caught
        [pid] = children()
        go.write_text("")
        assert await ask(1) == pid

    with_model("slow_model:f", test)


def test_replicas_work_side_by_side_with_one_call_each():
    async def test(ask: Asking) -> None:
        answers = []

        async def note() -> None:
            answers.append(await ask(1))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(note)
        assert len({pid for pid, _ in answers}) <= 3
        assert len(children()) == 3
        assert len(answers) == 20

    with_model("shadow_models:counts", test, replicas=3)


def test_a_replica_that_is_down_leaves_the_work_to_the_others():
    async def test(ask: Asking) -> None:
        pids = set()
        while len(pids) < 2:
            async with anyio.create_task_group() as group:
                for _ in range(2):
                    group.start_soon(ask, "live")
            pids = children()
        with pytest.raises(ShadowProtocolError):
            await ask("die")
        for _ in range(10):
            assert await ask("live") in pids

    with_model("shadow_models:dies", test, replicas=2)


def test_the_process_has_the_lowest_priority_and_a_name():
    async def test(ask: Asking) -> None:
        scheduler, nice, name = await ask(1)
        assert scheduler == os.SCHED_IDLE or nice == 19
        assert name == "shadow_mw model"

    with_model("shadow_models:priority", test)


def test_the_process_finds_modules_and_files_as_the_app_does_and_mirrors_nothing_itself(
    monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)

    async def test(ask: Asking) -> None:
        assert await ask(1) == {"cwd": str(tmp_path), "enabled": "0"}

    with_model("shadow_models:surroundings", test)


def test_a_large_body_passes():
    async def test(ask: Asking) -> None:
        features = ["x" * 1000] * 900
        assert await ask(features) == features

    with_model("shadow_models:echo", test, max_body_bytes=2**20)


WORKER = """
import asyncio, json, os, sys
from shadow_mw.caps.wish import Wish
from shadow_mw.records import CapturedRequest
from shadow_mw.shadows.python import PythonShadow
from shadow_mw.targets import Target

async def main():
    shadow = PythonShadow(Target("c", "python:shadow_models:" + sys.argv[1]), replicas=1, features="",
        max_body_bytes=1000, wish=Wish(), sandbox="off")
    request = CapturedRequest(exchange_id="e", request_id="r", ts_us=0, method="POST", route="POST /p",
        path="/p", body=json.dumps(sys.argv[2]).encode())
    print((await shadow.ask(request, {})).body.decode(), flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.fault("killed")
@pytest.mark.parametrize("features", ["idle", "hang"])
def test_a_worker_that_is_killed_takes_its_models_with_it(tmp_path, monkeypatch, features):
    hanging = tmp_path / "hanging"
    monkeypatch.setenv("HANGING", str(hanging))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    command = [sys.executable, "-c", WORKER, "hangs", features]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        try:
            if features == "idle":
                assert worker.stdout is not None
                pid = int(worker.stdout.readline())
            else:
                deadline = time.monotonic() + 30
                while not (hanging.exists() and hanging.read_text()):
                    assert time.monotonic() < deadline
                    time.sleep(0.01)  # another process gives no event to wait for
                pid = int(hanging.read_text())
            assert is_running(pid)
        finally:
            worker.send_signal(signal.SIGKILL)
    anyio.run(until_gone, pid)


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
    await send({"type": "http.response.body", "body": b'{"out": {"sum": 3}, "id": 1}'})


@pytest.mark.fault("model-crashes", "model-raises", "model-frames")
@pytest.mark.parametrize("queue", ["inline:", "process:"])
@pytest.mark.parametrize(
    ("model", "counts"),
    [
        ("predict", {"compared": 1, "agree": 1}),
        ("raises", {"shadow_error": 1}),
        ("segfaults", {"shadow_error": 1}),
        ("huge", {"shadow_error": 1}),
        ("speaks_out_of_turn", {"shadow_error": 1}),
        ("announces_a_gigabyte", {"shadow_error": 1}),
    ],
)
def test_the_books_close_whatever_the_model_does(monkeypatch, queue, model, counts):
    before = children()
    middleware = ShadowMiddleware(
        app,
        targets=f"candidate=python:shadow_models:{model}",
        routes="POST /predict",
        prediction="out",
        queue=queue,
        timeout_seconds=30,
    )
    run(middleware, http_scope(headers=[JSON]), chunked(b'{"x": [1, 2]}'))
    assert drain(30)
    installation = middleware._installation
    [shadow] = installation.statistics().shadows
    assert shadow.routes["POST /predict"] == {"eligible": 1, **counts}
    assert shadow.limit == 1
    assert shadow.url == f"python:shadow_models:{model}"
    installation.close()
    if queue == "inline:":
        assert children() == before


@pytest.mark.fault("model-hangs")
def test_a_model_that_hangs_meets_the_deadline(tmp_path, monkeypatch):
    monkeypatch.setenv("HANGING", str(tmp_path / "hanging"))
    middleware = ShadowMiddleware(
        app,
        targets="python:shadow_models:hangs",
        routes="POST /predict",
        queue="inline:",
        sandbox="off",  # it writes where the test looks
        timeout_seconds=3,
        max_concurrency=4,
    )
    for body in (b'"hang"', b'"hang"'):
        run(middleware, http_scope(headers=[JSON]), chunked(body))
    assert drain(60)
    installation = middleware._installation
    [shadow] = installation.statistics().shadows
    counts = shadow.routes["POST /predict"]
    assert counts["shadow_timeout"] >= 1, "the second one may meet the pause before the next start"
    assert sum(counts.get(bucket, 0) for bucket in BUCKETS) == counts["eligible"] == 2
    installation.close()


@pytest.mark.fault("model-start")
def test_while_a_model_is_imported_production_answers_and_afterwards_it_is_compared(tmp_path, monkeypatch):
    go = tmp_path / "go"
    (tmp_path / "late_model.py").write_text(
        f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "def f(x): return {'sum': 3}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    middleware = ShadowMiddleware(
        app,
        targets="python:late_model:f",
        routes="POST /predict",
        prediction="out",
        queue="inline:",
        timeout_seconds=0.5,
    )
    installation = middleware._installation

    def counts() -> dict[str, int]:
        assert run(middleware, http_scope(headers=[JSON]), chunked(b"{}")).error is None
        assert installation.drain(60)
        return installation.statistics().shadows[0].routes["POST /predict"]

    assert counts() == {"eligible": 1, "shadow_timeout": 1}
    assert counts() == {"eligible": 2, "shadow_timeout": 2}
    go.write_text("")
    deadline = time.monotonic() + 60
    while "compared" not in (last := counts()):
        assert time.monotonic() < deadline, last
    assert sum(last.get(bucket, 0) for bucket in BUCKETS) == last["eligible"]
    installation.close()


@pytest.mark.fault("model-start")
def test_a_model_that_cannot_be_imported_costs_its_calls_and_no_start_of_the_app(tmp_path, monkeypatch):
    (tmp_path / "no_model.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    middleware = ShadowMiddleware(
        app, targets="python:no_model:f", routes="POST /predict", queue="inline:", timeout_seconds=60
    )
    for _ in range(2):
        assert run(middleware, http_scope(headers=[JSON]), chunked(b"{}")).error is None
        assert drain(60)
    installation = middleware._installation
    counts = installation.statistics().shadows[0].routes["POST /predict"]
    assert counts == {"eligible": 2, "shadow_error": 2}
    installation.close()


def test_closing_a_shadow_that_was_never_asked_is_no_error():
    async def main() -> None:
        async with asking("shadow_models:predict") as ask:
            ask.shadow.start()
            await asyncio.sleep(0)

    anyio.run(main)
