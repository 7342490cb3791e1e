"""A shadow behind a bad network: production's caller sees nothing of it, and each call is in its bucket."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from fault_proxy import FAULTS, HEALTHY, FaultProxy
from mirrored_app import ANSWER, MirroredApp
from stub_shadow import JSON, Reply, StubShadow

Mirror = Callable[..., MirroredApp]
TIMEOUTS = ("hangs", "falls-silent", "drips", "crawls")
#: More than the sockets on the way hold, so that a shadow that takes it slowly is noticed.
LARGE = b'"%s"' % (b"x" * 900_000)


@pytest.mark.fault("hangs", "falls-silent", "drips", "crawls", "resets", "cuts", "garbage", "garbles")
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_of_the_network_ends_in_its_bucket_and_passes(
    library: str, mirrored: Mirror, shadow: StubShadow, name: str
) -> None:
    with FaultProxy(shadow.url) as proxy:
        app = mirrored(proxy.url, timeout_seconds=1.0 if name in TIMEOUTS else 60.0)
        app.recovers()
        healthy = app.counts()
        proxy.set(FAULTS[name])
        app.ask(LARGE if name == "crawls" else ANSWER, times=3)
        counts = app.counts()
        bucket = (
            "shadow_timeout" if name in TIMEOUTS else "incomparable" if name == "garbles" else "shadow_error"
        )
        assert counts[bucket] - healthy.get(bucket, 0) == 3
        assert counts["eligible"] == app.asked
        assert counts.get("disagree", 0) == 0
        assert app.shadow().active == 0
        proxy.set(HEALTHY)
        app.recovers()


@pytest.mark.fault("hangs", "resets")
@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize(
    ("name", "timeout_seconds", "bucket"),
    [("hangs", 1.0, "shadow_timeout"), ("resets", 60.0, "shadow_error")],
)
def test_over_the_mirror_process_too(
    runtime: Any,
    mirrored: Mirror,
    shadow: StubShadow,
    mode: str,
    name: str,
    timeout_seconds: float,
    bucket: str,
) -> None:
    with FaultProxy(shadow.url) as proxy:
        app = mirrored(proxy.url, mode=mode, timeout_seconds=timeout_seconds)
        app.recovers()
        before = app.counts()
        proxy.set(FAULTS[name])
        app.ask(times=3)
        assert app.counts()[bucket] - before.get(bucket, 0) == 3
        proxy.set(HEALTHY)
        app.recovers()


def zipped(size: int) -> Reply:
    return Reply(body=gzip.compress(bytes(size)), headers={**JSON, "content-encoding": "gzip"})


ANSWERS = {
    "huge": (Reply(body=b"x" * 64_000_000), "shadow_error"),
    "bomb": (zipped(200_000_000), "incomparable"),
    "header flood": (Reply(headers={**JSON, "x": "y" * 500_000}), "shadow_error"),
    "many headers": (
        Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n"),
        "shadow_error",
    ),
    "errors": (Reply(status=500), "shadow_error"),
}


@pytest.mark.fault("huge-answer", "bomb", "header-flood", "errors")
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_too_much_is_one_failure(
    library: str, mirrored: Mirror, shadow: StubShadow, name: str
) -> None:
    reply, bucket = ANSWERS[name]
    shadow.answer = lambda asked: reply
    app = mirrored(shadow.url, max_body_bytes="1MiB")
    app.ask(times=2)
    assert app.counts() == {"eligible": 2, bucket: 2}
    assert len(shadow.asked) == 2


@pytest.mark.fault("redirects")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_goes_where_a_redirect_points(
    library: str, mirrored: Mirror, shadow: StubShadow, status: int
) -> None:
    with StubShadow() as elsewhere:
        shadow.answer = lambda asked: Reply(status=status, headers={**JSON, "location": elsewhere.url})
        app = mirrored(shadow.url)
        app.ask(times=2)
        assert app.counts() == {"eligible": 2, "shadow_error": 2}
        assert (len(shadow.asked), elsewhere.asked) == (2, [])


@pytest.mark.fault("overload")
@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_shadow_is_left_alone(
    library: str, mirrored: Mirror, shadow: StubShadow, status: int
) -> None:
    shadow.answer = lambda asked: Reply(status=status, headers={**JSON, "retry-after": "0"})
    app = mirrored(shadow.url, breaker_failures=3, breaker_reset_seconds=3600, max_concurrency=1)
    app.ask(times=30)
    assert app.counts() == {"eligible": 30, "shadow_error": 3, "circuit_open": 27}
    assert len(shadow.asked) == 3, "no call is repeated, not even one that may be at once"
    assert app.shadow().circuit == "open"


@pytest.mark.fault("restarts")
def test_after_a_restart_of_the_shadow_nothing_is_lost(
    library: str, mirrored: Mirror, shadow: StubShadow
) -> None:
    with FaultProxy(shadow.url) as proxy:
        app = mirrored(proxy.url, max_concurrency=2)
        rounds, each = 4, 3
        for _ in range(rounds):
            app.ask(times=each)
            app.counts()
            proxy.set(HEALTHY)  # resets what was kept
        counts = app.counts()
        assert counts == {"eligible": rounds * each, "compared": rounds * each, "agree": rounds * each}
        assert rounds * each <= len(shadow.asked) <= rounds * each + rounds, "a second time once at most"
        assert proxy.connections >= rounds


@pytest.mark.fault("full-bytes")
def test_what_waits_is_bounded_in_bytes(library: str, mirrored: Mirror, shadow: StubShadow) -> None:
    with FaultProxy(shadow.url) as proxy:
        proxy.set(FAULTS["hangs"])
        settings = {"max_body_bytes": "1MiB", "queue_bytes": "4MiB", "max_concurrency": 1}
        app = mirrored(proxy.url, queue_size=1000, timeout_seconds=3600, drain_seconds=0.2, **settings)
        app.ask(LARGE, times=30)
        counts = app.now()
        assert counts["queue_full"] >= 20
        proxy.set(HEALTHY)
        counts = app.counts()
        assert counts["eligible"] == 30
        assert 1 <= 30 - counts["queue_full"] <= 10
