"""Whatever an app and its shadow do, at either door and over either queue, the caller sees no difference."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx  # noqa: F401 the worker would import it amid an example; then rich draws a random number
import pytest
from asgi_driver import chunked, http_scope, run
from asgi_scripts import scripted, step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stub_shadow import Asked, Reply, StubShadow, echo
from wsgi_driver import request, serve
from wsgi_scripts import Plan, Scripted, plans, usual

from shadow_mw import ShadowMiddleware, ShadowWSGIMiddleware
from shadow_mw.assembly.installation import installations
from shadow_mw.testing import drain

CLOSED_PORT = "http://127.0.0.1:9"
_released = threading.Event()


def _late(asked: Asked) -> Reply:
    _released.wait(0.5)
    return echo(asked)


SHADOWS: dict[str, Callable[[Asked], Reply]] = {
    "healthy": echo,
    "slow": _late,
    "failing": lambda asked: Reply(status=500),
    "garbage": lambda asked: Reply(raw=b"\x00\xff garbage"),
    "huge": lambda asked: Reply(body=b"x" * 3_000_000),
    "closing early": lambda asked: Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"),
}
#: The shadow, and what else is set: a circuit that stays open, a queue that is always full.
CASES = [
    *((name, {}) for name in SHADOWS),
    ("dead", {}),
    ("dead", {"breaker_failures": 1, "breaker_reset_seconds": 3600}),
    ("slow", {"queue_size": 1, "max_concurrency": 1}),
]
QUEUES = ["inline:", "process:", "process: killed"]


class Swap:
    """An app behind one mirror, which is another app for each example."""

    app: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return self.app(*arguments)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: " ".join([case[0], *case[1]]))
def shadow(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where the shadow is, and the settings that go with it."""
    kind, keywords = request.param
    with contextlib.ExitStack() as stack:
        answer = SHADOWS.get(kind)
        url = stack.enter_context(StubShadow(answer)).url if answer else CLOSED_PORT
        yield url, keywords


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own for the mirror process's socket."""
    folder = tempfile.mkdtemp(prefix="smw", dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    yield Path(folder)
    for installation in installations():
        installation.close()
    assert drain(60), "nobody waits for a worker that was killed"
    kill_mirrors(Path(folder))
    shutil.rmtree(folder, ignore_errors=True)


def kill_mirrors(runtime: Path) -> None:
    """SIGKILL the mirror processes whose socket is in this folder."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            if b"shadow_mw.process" in arguments and any(os.fsencode(runtime) in one for one in arguments):
                os.kill(int(entry.name), signal.SIGKILL)


def mirror(door: Any, shadow: tuple[str, dict[str, Any]], queue: str, mode: str) -> tuple[Swap, Any]:
    url, keywords = shadow
    swap = Swap()
    common = {
        "targets": url,
        "routes": "POST /predict",
        "store": "none",
        "queue": queue.removesuffix(" killed"),
        "max_body_bytes": 100_000,
        "timeout_seconds": 0.3,
        "drain_seconds": 0.05,
    }
    return swap, door(swap, **common, **keywords, mode=mode)


few = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.fault("odd-app", "hangs", "refuses", "garbage", "huge-answer", "cuts", "mirror-killed")
@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("queue", QUEUES)
def test_an_asgi_app_behaves_as_without_us(no_exporters, shadow, runtime, queue, mode):
    swap, middleware = mirror(ShadowMiddleware, shadow, queue, mode)

    @few
    @given(script=st.lists(step, max_size=6), chunks=st.lists(st.binary(max_size=20), max_size=3))
    def holds(script: list[Any], chunks: list[bytes]) -> None:
        swap.app = scripted(script)
        bare = run(swap.app, http_scope(), chunked(*chunks))
        if queue.endswith("killed"):
            kill_mirrors(runtime)
        assert run(middleware, http_scope(), chunked(*chunks)) == bare

    holds()


@pytest.mark.fault("odd-app", "hangs", "refuses", "garbage", "huge-answer", "cuts", "mirror-killed")
@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("queue", QUEUES)
def test_a_wsgi_app_behaves_as_without_us(no_exporters, shadow, runtime, queue, mode):
    swap, middleware = mirror(ShadowWSGIMiddleware, shadow, queue, mode)

    @few
    @given(plan=st.one_of(plans, usual), body=st.binary(max_size=20))
    def holds(plan: Plan, body: bytes) -> None:
        def outcome(app: Any) -> Any:
            return serve(app, request(body)), swap.app.got, swap.app.closes

        swap.app = Scripted(plan)
        bare = outcome(swap.app)
        if queue.endswith("killed"):
            kill_mirrors(runtime)
        swap.app = Scripted(plan)
        assert outcome(middleware) == bare

    holds()
