"""Adaptive concurrency: its law with made-up shadows, and a lane in front of real ones."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from asgi_driver import chunked, http_scope, run
from hypothesis import given
from hypothesis import strategies as st
from process_tools import until
from stub_shadow import Reply, StubShadow

from shadow_mw import ShadowMiddleware
from shadow_mw.assembly import shadows
from shadow_mw.records import BUCKETS
from shadow_mw.worker.adaptive_limit import AdaptiveLimit
from shadow_mw.worker.retry_after import pause_seconds


class Plant:
    """A pool that is always full, in front of a shadow whose latency the test makes up; no time passes."""

    def __init__(self, cap: int) -> None:
        self.now = 0.0
        self.limit = AdaptiveLimit(cap, clock=lambda: self.now)

    def calls(self, count: int, seconds_at: Any) -> list[int]:
        """So many calls, each with all places taken; the limits in between."""
        seen = []
        for _ in range(count):
            active, began = self.limit.limit, self.now
            seconds = seconds_at(active)
            self.now += seconds / active
            self.limit.ended(began, seconds, active=active)
            seen.append(self.limit.limit)
        return seen


events = st.lists(st.one_of(st.just("overloaded"), st.floats(0.0, 60.0)), max_size=200)


@given(cap=st.integers(1, 64), seen=events)
def test_the_limit_never_leaves_its_bounds(cap, seen):
    plant = Plant(cap)
    for event in seen:
        plant.now += 1.0
        if event == "overloaded":
            before = plant.limit.limit
            plant.limit.overloaded(plant.now)
            assert plant.limit.limit <= before
        else:
            plant.limit.ended(plant.now, event, active=plant.limit.limit)
        assert 1 <= plant.limit.limit <= cap


@given(cap=st.integers(1, 32), seen=events)
def test_from_wherever_it_is_a_shadow_that_bears_everything_gets_all_of_the_cap(cap, seen):
    plant = Plant(cap)
    for event in seen:
        plant.now += 1.0
        if event == "overloaded":
            plant.limit.overloaded(plant.now)
        else:
            plant.limit.ended(plant.now, event, active=1)
    for _ in range(2):  # the first baseline may rest on calls from before
        plant.now += 61.0  # whatever baseline it had is too old now
        reached = max(plant.calls(30 + 10 * cap, lambda active: 0.01))
    assert reached == cap


def test_a_shadow_that_slows_with_concurrency_is_held_where_it_bends():
    plant = Plant(cap=64)
    plant.calls(300, lambda active: 0.02 * max(1.0, active / 6))
    settled = plant.calls(300, lambda active: 0.02 * max(1.0, active / 6))
    assert min(settled) >= 6
    assert max(settled) <= 14


def test_the_baseline_is_measured_anew_when_the_shadow_has_become_another():
    plant = Plant(cap=8)
    plant.calls(200, lambda active: 0.01)
    assert plant.limit.limit == 8
    plant.calls(300, lambda active: 0.1)  # by its own doing: a larger model, say
    assert plant.limit.limit < 8
    plant.calls(2000, lambda active: 0.1)
    assert max(plant.calls(100, lambda active: 0.1)) == 8


def test_a_pool_that_is_not_full_does_not_grow():
    plant = Plant(cap=8)
    plant.calls(5, lambda active: 0.01)
    for _ in range(100):
        plant.now += 0.1
        plant.limit.ended(plant.now, 0.01, active=0)
    assert plant.limit.limit == 1


def test_many_timeouts_of_one_moment_count_once():
    plant = Plant(cap=8)
    plant.calls(200, lambda active: 0.01)
    began = plant.now
    plant.now += 5.0
    for _ in range(8):
        plant.limit.overloaded(began)
    assert plant.limit.limit == 4


NOW = datetime(2030, 5, 1, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (503, "7", 7.0),
        (429, " 120 ", 120.0),
        (503, format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (503, "Wednesday, 01-May-30 12:00:30 GMT", 30.0),
        (503, "Wed May  1 12:00:10 2030", 10.0),
        (503, format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        (500, "7", 0.0),
        (503, "-7", 0.0),
        (503, "soon", 0.0),
        (503, "", 0.0),
        (503, "1.5", 0.0),
        (503, "Wed, 32 Foo 2030 99:99:99 GMT", 0.0),
        (503, "9" * 400, 999999999.0),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(status, value, seconds):
    headers = ((b"content-type", b"text/plain"), (b"retry-after", value.encode()))
    assert pause_seconds(status, headers, NOW.timestamp()) == seconds
    assert pause_seconds(status, headers[:1], NOW.timestamp()) == 0.0


@given(value=st.binary(max_size=60))
def test_whatever_stands_there_is_no_error(value):
    assert pause_seconds(503, ((b"retry-after", value),), 0.0) >= 0.0


async def app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


class Site:
    """An app with one shadow, in a worker of this process."""

    def __init__(self, shadow: StubShadow, **settings: Any) -> None:
        self.app = ShadowMiddleware(app, targets=shadow.url, routes="POST /predict", **settings)
        self.installation = self.app._installation

    def ask(self, times: int) -> None:
        for _ in range(times):
            run(self.app, http_scope(), chunked(b"{}"))

    @property
    def shadow(self) -> Any:
        [found] = self.installation.statistics().shadows
        return found

    def counts(self) -> dict[str, int]:
        assert self.installation.drain(60)
        counts = self.shadow.routes["POST /predict"]
        assert sum(counts.get(bucket, 0) for bucket in BUCKETS) == counts["eligible"]
        return dict(counts)


class Bending:
    """Answers slower the more it is asked at once, until it is told to bear everything."""

    def __init__(self, seconds: float, bears: int) -> None:
        self._seconds = seconds
        self.bears = bears
        self._lock = threading.Lock()
        self._active = 0
        self.most = 0

    def __call__(self, asked: Any) -> Reply:
        with self._lock:
            self._active += 1
            self.most = max(self.most, self._active)
            seconds = self._seconds * max(1.0, self._active / self.bears)
        time.sleep(seconds)  # how slow this shadow is
        with self._lock:
            self._active -= 1
        return Reply()


@pytest.mark.fault("bends")
@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_real_shadow_that_slows_is_asked_less_at_once_and_all_of_it_when_it_bears_it(shadow, mode):
    shadow.answer = bending = Bending(0.02, bears=2)
    site = Site(shadow, adaptive_concurrency=True, max_concurrency=12, mode=mode)
    site.ask(250)
    counts = site.counts()
    assert counts["compared"] == 250
    assert bending.most <= 9, "it was never asked as much at once as the cap allows"
    assert site.shadow.limit <= 9

    bending.bears = 100

    def has_all() -> bool:
        site.ask(100)
        site.counts()
        return bool(site.shadow.limit == 12)

    until(has_all, lambda: f"the limit is {site.shadow.limit}")


def test_a_callable_in_code_is_asked_adaptively_too():
    def model(features: Any) -> dict[str, int]:
        time.sleep(0.002)  # how slow this model is
        return {}

    adapting = ShadowMiddleware(
        app, shadow=model, routes="POST /predict", adaptive_concurrency=True, max_concurrency=4
    )
    for _ in range(60):
        run(adapting, http_scope(), chunked(b"{}"))
    assert adapting._installation.drain(60)
    [found] = adapting._installation.statistics().shadows
    assert found.count("compared") == 60
    assert 1 <= found.limit <= 4


def test_without_the_setting_the_limit_is_the_cap(shadow):
    site = Site(shadow, max_concurrency=5)
    site.ask(30)
    site.counts()
    assert site.shadow.limit == 5


@pytest.mark.fault("overload")
@pytest.mark.parametrize("client", ["httptools", "httpx"])
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_shadow_that_asks_for_a_pause_gets_it(shadow, client, status, form, monkeypatch):
    monkeypatch.setattr(shadows, "http_client", lambda: client)
    later = format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True)
    value = {"seconds": "3600", "date": later}[form]
    shadow.answer = lambda asked: Reply(status=status, headers={"Retry-After": value})
    site = Site(shadow, breaker_reset_seconds=600, max_concurrency=1)
    site.ask(1)
    site.counts()
    site.ask(10)
    assert site.counts() == {"eligible": 11, "shadow_error": 1, "circuit_open": 10}
    assert len(shadow.asked) == 1
    assert site.shadow.circuit == "open"


def test_the_pause_is_never_longer_than_that_of_an_open_circuit(shadow):
    shadow.answer = lambda asked: Reply(status=503, headers={"Retry-After": "86400"})
    site = Site(shadow, breaker_reset_seconds=0.05)
    site.ask(1)
    site.counts()
    shadow.answer = lambda asked: Reply()

    def is_asked_again() -> bool:
        site.ask(1)
        return "compared" in site.counts()

    until(is_asked_again, "an answer")
    assert site.shadow.circuit == "closed"
