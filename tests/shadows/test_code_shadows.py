"""Shadows that are given in code: `ShadowMiddleware(app, shadow=model.predict)`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from asgi_driver import chunked, http_scope, run
from stub_shadow import StubShadow

from shadow_mw import SettingsError, ShadowMiddleware, ShadowWSGIMiddleware
from shadow_mw.records import BUCKETS
from shadow_mw.snapshots import ShadowStatistics
from shadow_mw.testing import drain

JSON = (b"content-type", b"application/json")


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
    await send({"type": "http.response.body", "body": b'{"out": [2, 4]}'})


def double(features: Any) -> Any:
    return np.asarray(features["x"]) * 2


class Mirrored:
    """An app with shadows in code, and what its books say."""

    def __init__(self, shadow: Any, **keywords: Any) -> None:
        settings = {"routes": "POST /predict", "prediction": "out", "store": "none", **keywords}
        self.middleware = ShadowMiddleware(app, shadow=shadow, **settings)
        self.installation = self.middleware._installation
        assert self.installation is not None

    def ask(self, body: bytes = b'{"x": [1, 2]}', times: int = 1) -> None:
        for _ in range(times):
            run(self.middleware, http_scope(headers=[JSON]), chunked(body))

    def shadow(self, name: str = "shadow") -> ShadowStatistics:
        return {one.shadow: one for one in self.installation.statistics().shadows}[name]

    def counts(self, name: str = "shadow") -> dict[str, int]:
        assert drain(30)
        counts = self.shadow(name).routes.get("POST /predict", {})
        assert sum(counts.get(bucket, 0) for bucket in BUCKETS) == counts.get("eligible", 0), counts
        return counts


def test_a_callable_is_a_shadow():
    mirrored = Mirrored(double)
    mirrored.ask(times=3)
    assert mirrored.counts() == {"eligible": 3, "compared": 3, "agree": 3}
    assert mirrored.shadow().url == "python:test_code_shadows:double"
    assert mirrored.installation.settings.queue == "inline:"


def test_an_async_callable_runs_on_a_thread_too():
    threads = set()

    async def predict(features: Any) -> Any:
        threads.add(threading.current_thread().name)
        await asyncio.sleep(0)
        return [2, 4]

    mirrored = Mirrored(predict)
    mirrored.ask()
    assert mirrored.counts() == {"eligible": 1, "compared": 1, "agree": 1}
    assert threads == {"shadow_mw shadow"}


def test_several_by_name_beside_those_in_the_environment(monkeypatch):
    class Model:
        def __call__(self, features: Any) -> Any:
            return [0, 0]

    with StubShadow() as server:
        monkeypatch.setenv("SHADOW_TARGETS", f"http={server.url}")
        mirrored = Mirrored({"good": double, "bad": Model()})
        mirrored.ask()
        assert mirrored.counts("good") == {"eligible": 1, "compared": 1, "agree": 1}
        assert mirrored.counts("bad") == {"eligible": 1, "compared": 1, "disagree": 1}
        assert mirrored.counts("http")["eligible"] == 1
        assert len(server.asked) == 1


def test_each_shadow_gets_features_of_its_own():
    def vandal(features: Any) -> Any:
        features["x"].clear()
        return [2, 4]

    mirrored = Mirrored({"vandal": vandal, "honest": double}, max_concurrency=1)
    mirrored.ask(times=5)
    assert mirrored.counts("vandal") == {"eligible": 5, "compared": 5, "agree": 5}
    assert mirrored.counts("honest") == {"eligible": 5, "compared": 5, "agree": 5}


def test_a_callable_that_changes_its_features_changes_neither_the_record_nor_production(tmp_path):
    seen = []

    async def remembering(scope: Any, receive: Any, send: Any) -> None:
        seen.append(bytes((await receive())["body"]))
        await answer(send)

    async def answer(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
        await send({"type": "http.response.body", "body": b'{"out": {"p": [2, 4]}}'})

    def vandal(features: Any) -> Any:
        features["x"][0]["deep"] = "changed"
        features["added"] = features.pop("y")
        return {"p": [2, 4]}

    store = tmp_path / "records"
    middleware = ShadowMiddleware(
        remembering, shadow=vandal, routes="POST /predict", prediction="out", store=str(store)
    )
    body = b'{"x": [{"deep": 1}], "y": 2}'
    for _ in range(2):
        sent = run(middleware, http_scope(headers=[JSON]), chunked(body))
        assert any(message.get("body") == b'{"out": {"p": [2, 4]}}' for message in sent.sent)
    assert drain(30)
    middleware._installation.close()
    assert seen == [body, body]
    records = [json.loads(line) for path in store.rglob("*.jsonl") for line in path.read_text().splitlines()]
    told = [record for record in records if record.get("shadow") == "shadow" and "features" in record]
    assert [json.loads(record["features"]) for record in told] == [json.loads(body)] * 2
    assert {record["verdict"] for record in told} == {"agree"}


def test_what_the_callable_raises_is_in_the_record_and_nowhere_else():
    def broken(features: Any) -> Any:
        raise SystemExit("leave")

    mirrored = Mirrored(broken)
    mirrored.ask(times=3)
    assert mirrored.counts() == {"eligible": 3, "shadow_error": 3}


def test_a_callable_that_hangs_takes_so_many_threads_and_no_more():
    release = threading.Event()
    entered: list[str] = []

    def hang(features: Any) -> Any:
        entered.append(threading.current_thread().name)
        release.wait(60)
        return [2, 4]

    mirrored = Mirrored(hang, max_concurrency=2, timeout_seconds=0.2, breaker_failures=1000)
    mirrored.ask(times=6)
    assert mirrored.counts() == {"eligible": 6, "shadow_timeout": 2, "shadow_error": 4}
    assert len(entered) == 2
    release.set()
    deadline = time.monotonic() + 30
    while mirrored.counts().get("compared", 0) == 0:
        assert time.monotonic() < deadline
        mirrored.ask()
    assert mirrored.counts()["agree"] >= 1, "threads that came back are used again"
    mirrored.installation.close()


def test_an_async_callable_that_hangs_is_cancelled():
    cancelled = threading.Event()

    async def hang(features: Any) -> Any:
        try:
            await asyncio.sleep(600)
        finally:
            cancelled.set()

    mirrored = Mirrored(hang, timeout_seconds=0.2)
    mirrored.ask()
    assert mirrored.counts() == {"eligible": 1, mirrored_word(mirrored): 1}
    assert cancelled.wait(20)


def mirrored_word(mirrored: Mirrored) -> str:
    """The lane's deadline and the callable's own pass at the same moment, so either may be first."""
    [word] = set(mirrored.counts()) - {"eligible"}
    assert word in ("shadow_timeout", "shadow_error")
    return word


HANGING_APP = """
import threading
from asgi_driver import chunked, http_scope, run
from test_code_shadows import app
from shadow_mw import ShadowMiddleware

entered = threading.Event()

def hang(features):
    entered.set()
    threading.Event().wait()

middleware = ShadowMiddleware(app, shadow=hang, routes="POST /predict", store="none", drain_seconds=0.1)
run(middleware, http_scope(), chunked(b"1"))
assert entered.wait(30)
print("served", flush=True)
"""


def test_a_callable_that_hangs_does_not_keep_the_app_from_ending():
    tests = [path for path in sys.path if "tests" in path]
    code = f"import sys; sys.path[:0] = {tests!r}\n{HANGING_APP}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "served\n"), done.stderr


def test_threads_end_with_the_mirror():
    asked_on = set()

    def remember(features: Any) -> Any:
        asked_on.add(threading.current_thread())
        return double(features)

    mirrored = Mirrored(remember)
    mirrored.ask(times=3)
    mirrored.counts()
    assert asked_on
    mirrored.installation.close()
    for thread in asked_on:
        thread.join(10)
        assert not thread.is_alive()
    mirrored.ask()
    assert mirrored.counts() == {"eligible": 4, "compared": 4, "agree": 4}


def test_flask_takes_one_too():
    def answer(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"[2, 4]"]

    from io import BytesIO
    from wsgiref.util import setup_testing_defaults

    middleware = ShadowWSGIMiddleware(answer, shadow=double, routes="POST /predict", store="none")
    body = b'{"x": [1, 2]}'
    environ: dict[str, Any] = {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    environ |= {"REQUEST_METHOD": "POST", "PATH_INFO": "/predict", "CONTENT_TYPE": "application/json"}
    setup_testing_defaults(environ)
    served = middleware(environ, lambda status, headers, exc_info=None: lambda data: None)
    assert b"".join(served) == b"[2, 4]"
    served.close() if hasattr(served, "close") else None
    assert drain(30)
    [shadow] = middleware._installation.statistics().shadows
    assert shadow.routes["POST /predict"] == {"eligible": 1, "compared": 1, "agree": 1}


@pytest.mark.parametrize("shadow", ["mymodels:predict", 7, {"a": 7}, [double]])
def test_what_is_no_callable_is_refused_with_the_mend(shadow):
    with pytest.raises(SettingsError, match=r"give a callable, as in shadow=model\.predict"):
        ShadowMiddleware(app, shadow=shadow, routes="POST /predict")


def test_names_are_checked():
    with pytest.raises(SettingsError, match="not a name of a shadow"):
        ShadowMiddleware(app, shadow={"a b": double}, routes="POST /predict")
    with pytest.raises(SettingsError, match="same name"):
        ShadowMiddleware(app, shadow={"a": double}, targets="a=http://127.0.0.1:9", routes="POST /predict")


def test_it_cannot_leave_the_process(monkeypatch):
    monkeypatch.setenv("SHADOW_QUEUE", "process:")
    with pytest.raises(SettingsError, match="SHADOW_QUEUE is 'process:', and a shadow that is given in code"):
        ShadowMiddleware(app, shadow=double, routes="POST /predict")


def test_routes_are_needed_and_mirroring_can_be_off():
    with pytest.raises(SettingsError, match="SHADOW_ROUTES is not set"):
        ShadowMiddleware(app, shadow=double)
    assert ShadowMiddleware(app, shadow=double, routes="POST /p", enabled=False)._installation is None
    assert ShadowMiddleware(app, shadow={})._installation is None
