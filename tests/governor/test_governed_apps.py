"""Apps whose mirroring the governor holds back: what callers, books, pages and commands show of it."""

from __future__ import annotations

import contextlib
import html
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import asgi_driver
import pytest
import wsgi_driver
from dashboard_server import Visitor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from process_tools import until
from stub_shadow import StubShadow

from shadow_mw import ShadowMiddleware, ShadowWSGIMiddleware
from shadow_mw.assembly.stores import open_reader
from shadow_mw.cli import main
from shadow_mw.dashboard import dashboard
from shadow_mw.ids import is_sampled
from shadow_mw.questions import books, listing
from shadow_mw.records import BUCKETS
from shadow_mw.scope import Scope
from shadow_mw.telemetry.metrics import Metrics

BACK = "-- Mirroring all that you asked for again.\n"
ANSWER = b'{"y": 1}'
NEEDS_POSIX = pytest.mark.skipif(os.name != "posix", reason="needs child processes: run on POSIX")
QUEUES = ["inline:", pytest.param("process:", marks=NEEDS_POSIX)]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-model", b"7")]})
    await send({"type": "http.response.body", "body": ANSWER[:3], "more_body": True})
    await send({"type": "http.response.body", "body": ANSWER[3:]})


def wsgi_app(environ: Any, start_response: Any) -> Any:
    environ["wsgi.input"].read()
    start_response("200 OK", [("x-model", "7")])
    return [ANSWER[:3], ANSWER[3:]]


def ask_asgi(app: Any, request_id: str) -> Any:
    headers = [(b"x-request-id", request_id.encode()), (b"content-type", b"application/json")]
    return asgi_driver.run(app, asgi_driver.http_scope(headers=headers), asgi_driver.chunked(b'{"x": 1}'))


def ask_wsgi(app: Any, request_id: str) -> Any:
    environ = wsgi_driver.request(b'{"x": 1}', HTTP_X_REQUEST_ID=request_id, CONTENT_LENGTH="8")
    return wsgi_driver.Server().serve(app, environ)


DOORS = {
    "asgi": (ShadowMiddleware, asgi_app, ask_asgi),
    "wsgi": (ShadowWSGIMiddleware, wsgi_app, ask_wsgi),
}


@pytest.fixture(autouse=True)
def _leave_nothing_open(runtime: Any) -> Iterator[None]:
    """While the mirror process is still there: what holds back has something to say each second."""
    yield
    while Site.opened:
        Site.opened.pop().installation.close()


class Site:
    """An app behind one of the doors, and its callers, who compare each answer with the bare app's."""

    opened: ClassVar[list[Site]] = []

    def __init__(self, door: str, shadow: StubShadow, queue: str, **settings: Any) -> None:
        middleware, self._bare, self._ask = DOORS[door]
        self.app = middleware(
            self._bare, targets=f"candidate={shadow.url}", routes="POST /predict", queue=queue, **settings
        )
        self.installation = self.app._installation
        self.asked = 0
        self.opened.append(self)

    def ask(self, times: int) -> None:
        for _ in range(times):
            self.asked += 1
            found = self._ask(self.app, f"r-{self.asked}")
            assert found == self._ask(self._bare, f"r-{self.asked}"), "the caller sees a difference"

    @property
    def share(self) -> float:
        return float(self.installation.governor.share)

    def wait(self, low: float, high: float) -> None:
        """Wait until the share is between these, while calls come in."""

        def is_there() -> bool:
            self.ask(5)
            return low <= self.share <= high

        until(is_there, lambda: f"the share is {self.share}")

    def counts(self, store: Any) -> dict[str, int]:
        """The books in the store after everything is done; they must close, over all that came in."""
        assert self.installation.drain(60)
        with contextlib.closing(open_reader(store)) as reader:
            found = books(reader, Scope(shadow="candidate"))["POST /predict"]
            self.records = listing(reader, Scope(shadow="candidate"), limit=10_000)
        assert sum(found[bucket] for bucket in BUCKETS) == found["eligible"] == len(self.records)
        assert found["eligible"] + found["governed"] + found["not_sampled"] == self.asked
        return found


def share_of_metric(installation: Any) -> float:
    reader = InMemoryMetricReader()
    Metrics(MeterProvider([reader]).get_meter("test"), installation.statistics)
    metrics = json.loads(reader.get_metrics_data().to_json())["resource_metrics"][0]["scope_metrics"][0]
    [one] = [one for one in metrics["metrics"] if one["name"] == "shadow_mw.sampling.share"]
    return float(one["data"]["data_points"][0]["value"])


@pytest.mark.fault("host-overloaded")
@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("door", DOORS)
def test_a_busy_host_gets_less_and_everybody_says_so(
    host, door, queue, runtime, shadow, tmp_path, capsys, caplog
):
    site = Site(door, shadow, queue, max_host_load=0.4, store=str(tmp_path / "store"))
    host.set(0.63)
    site.wait(0.01, 0.5)
    host.set(0.38)  # a little below the limit nothing moves
    site.ask(100)
    found = site.counts(tmp_path / "store")
    assert found["governed"] > 0
    assert found["eligible"] > 0
    assert found["not_sampled"] == 0

    sentence = "of what you asked for, because the host is busy (pressure 63 %, limit 40 %)"
    page = until(lambda: _with(sentence, Visitor(dashboard(str(tmp_path / "store"))).get("/").text), "a page")
    assert f"calls that were to be mirrored the governor left out {found['governed']:,} " in page
    assert f"governed {found['governed']}" in page
    assert main(["report", "--store", str(tmp_path / "store"), "--markdown"]) == 0
    report = capsys.readouterr().out.replace("\\", "")
    assert sentence in report
    assert f"the governor left out {found['governed']:,} " in report
    assert until(lambda: share_of_metric(site.installation) < 1.0, "a metric")

    host.set(0.0)
    site.wait(1.0, 1.0)
    before = site.counts(tmp_path / "store")
    site.ask(50)
    after = site.counts(tmp_path / "store")
    assert after["eligible"] - before["eligible"] == 50, "all is mirrored again"
    lines = [line for line in caplog.messages if line.startswith("mirroring is ")]
    assert [line.split(",")[0] for line in lines] == [
        "mirroring is held back",
        "mirroring is back to all that SHADOW_SAMPLE_RATE asks for",
    ]


def _with(sentence: str, page: str) -> str:
    text = html.unescape(page)
    return text if sentence in text else ""


@pytest.mark.fault("added-time")
@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("door", DOORS)
def test_a_middleware_that_takes_too_long_holds_itself_back(
    host, door, queue, runtime, shadow, tmp_path, caplog
):
    site = Site(door, shadow, queue, max_added_seconds=1e-7, store=str(tmp_path / "store"))
    site.wait(0.0, 0.1)
    assert site.counts(tmp_path / "store")["governed"] > 0
    assert "mirroring is held back, because mirroring adds" in caplog.text


def test_a_usual_middleware_is_far_from_the_limit(shadow, tmp_path, monkeypatch):
    monkeypatch.delenv("SHADOW_MAX_ADDED_SECONDS")
    site = Site("asgi", shadow, "inline:", store=str(tmp_path / "store"))
    site.ask(50)
    site.installation.mirror.stopwatch.turn(is_held_back=False)
    seconds = site.installation.mirror.stopwatch.seconds()
    assert seconds > 0.0
    assert site.installation.settings.max_added_seconds == 0.001


def test_the_record_has_the_rate_in_force_and_each_sampled_request_belongs_to_it(
    host, shadow, tmp_path, monkeypatch
):
    site = Site("asgi", shadow, "inline:", max_host_load=0.4, sample_rate=0.8, store=str(tmp_path / "store"))
    host.set(0.9)
    site.wait(0.01, 0.25)
    host.set(0.35)
    site.ask(200)
    site.counts(tmp_path / "store")
    with contextlib.closing(open_reader(tmp_path / "store")) as reader:
        rows = reader.rows("SELECT request_id, sample_rate FROM comparisons")
    rates = {row["sample_rate"] for row in rows}
    assert all(is_sampled(row["request_id"], row["sample_rate"]) for row in rows)
    assert max(rates) == 0.8
    assert min(rates) <= 0.2


def test_sync_mode_is_governed_too(host, shadow, tmp_path):
    site = Site("wsgi", shadow, "inline:", mode="sync", max_added_seconds=1e-7, store=str(tmp_path / "store"))
    site.wait(0.0, 0.5)
    site.ask(50)
    assert site.counts(tmp_path / "store")["governed"] > 0


def test_an_app_that_was_closed_begins_anew_with_all_of_it(host, shadow, tmp_path):
    site = Site("asgi", shadow, "inline:", max_host_load=0.4, store=str(tmp_path / "store"))
    host.set(0.9)
    site.wait(0.01, 0.5)
    site.installation.close()
    assert site.share == 1.0
    host.set(0.0)
    site.ask(20)
    assert site.counts(tmp_path / "store")["compared"] >= 20


def test_without_a_limit_a_busy_host_changes_nothing(host, shadow, tmp_path):
    host.set(0.99)
    site = Site("asgi", shadow, "inline:", store=str(tmp_path / "store"))
    site.ask(50)
    for _ in range(10):
        site.installation.governor.beat()
    assert site.counts(tmp_path / "store")["compared"] == 50


def test_a_platform_that_tells_no_load_is_named_at_the_start(host, shadow, tmp_path, monkeypatch, caplog):
    (host.root / "proc/pressure/cpu").unlink()
    monkeypatch.delattr("os.getloadavg")
    Site("asgi", shadow, "inline:", max_host_load=0.4, store=str(tmp_path / "store"))
    assert "SHADOW_MAX_HOST_LOAD has no effect: this platform does not tell its load" in caplog.text


def test_tail_says_when_it_begins_and_when_it_ends(host, shadow, tmp_path):
    site = Site("asgi", shadow, "inline:", max_host_load=0.4, store=str(tmp_path / "store"))
    said = tmp_path / "said"
    command = [sys.executable, "-m", "shadow_mw", "tail", "-n", "0", "--store", str(tmp_path / "store")]
    site.ask(1)
    site.counts(tmp_path / "store")
    with (
        said.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        try:
            host.set(0.63)
            until(lambda: site.ask(5) or "because the host is busy" in said.read_text(), said.read_text)
            host.set(0.0)
            until(lambda: site.ask(5) or said.read_text().endswith(BACK), said.read_text)
        finally:
            process.kill()
    assert said.read_text().startswith("-- Mirroring ")
