"""What becomes of an exchange: every way it can end, seen in the books, the store and the statistics."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asgi_driver import chunked, http_scope, run
from stub_shadow import Asked, Reply, StubShadow, echo

from shadow_mw import Comparison, ShadowMiddleware, Tally
from shadow_mw.questions.pulses import pulses
from shadow_mw.records import BUCKETS, Pulse
from shadow_mw.snapshots import ShadowStatistics
from shadow_mw.stores.reader import open_reader
from shadow_mw.testing import drain

CLOSED_PORT = "http://127.0.0.1:9"
HEADERS = [(b"content-type", b"application/json"), (b"x-request-id", b"abc-1")]


def app_answering(body: bytes = b'{"y": 1}', status: int = 200, headers: Any = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        fields = headers if headers is not None else [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    return app


class Mirrored:
    """An app behind the middleware, with what one looks at afterwards."""

    def __init__(self, app: Any, targets: str, **keywords: Any) -> None:
        self.middleware = ShadowMiddleware(app, targets=targets, routes="POST /predict", **keywords)

    def ask(self, body: bytes = b'{"x": 1}', headers: Any = None, times: int = 1) -> None:
        for _ in range(times):
            run(self.middleware, http_scope(headers=headers or HEADERS), chunked(body))

    def shadow(self, name: str = "shadow") -> ShadowStatistics:
        installation = self.middleware._installation
        assert installation is not None
        [found] = [one for one in installation.statistics().shadows if one.shadow == name]
        return found

    def counts(self, name: str = "shadow") -> dict[str, int]:
        """The books after everything is done; they must close."""
        assert drain(20)
        counts = self.shadow(name).routes.get("POST /predict", {})
        assert sum(counts.get(bucket, 0) for bucket in BUCKETS) == counts.get("eligible", 0), counts
        return counts


def stored(tmp_path: Path) -> tuple[list[Comparison], dict[str, int]]:
    """The comparisons and the summed tallies of the store."""
    comparisons, sums = [], dict[str, int]()
    for segment in sorted((tmp_path / "store" / "hot").glob("*.jsonl")):
        for line in segment.read_bytes().splitlines():
            record = msgspec.json.decode(line, type=Comparison | Tally | Pulse)
            if isinstance(record, Comparison):
                comparisons.append(record)
            elif isinstance(record, Tally):
                for word, count in record.counts.items():
                    sums[word] = sums.get(word, 0) + count
    return comparisons, sums


def test_agreement_and_disagreement_are_recorded_with_both_predictions(tmp_path):
    with StubShadow(lambda asked: Reply(body=b'{"y": 2}')) as shadow:
        mirrored = Mirrored(app_answering(), f"candidate={shadow.url}")
        mirrored.ask(b'{"x": 1, "password": "hunter2"}')
        counts = mirrored.counts("candidate")
    assert counts == {"eligible": 1, "compared": 1, "disagree": 1}
    [comparison], tally = stored(tmp_path)
    assert tally == counts
    assert (comparison.shadow, comparison.request_id, comparison.route) == (
        "candidate",
        "abc-1",
        "POST /predict",
    )
    assert (comparison.verdict, comparison.diff_paths, comparison.delta) == ("disagree", ("$.y",), 1.0)
    assert comparison.features == '{"x":1,"password":"[redacted]"}'
    assert (comparison.production_prediction, comparison.shadow_prediction) == ('{"y":1}', '{"y":2}')
    assert comparison.production_us >= 0
    assert comparison.shadow_us > 0
    assert comparison.production_status == comparison.shadow_status == 200


def _status(status: int) -> Any:
    return lambda asked: Reply(status=status)


@pytest.mark.fault("errors", "redirects", "garbage", "cuts", "garbles", "huge-answer", "header-flood")
@pytest.mark.parametrize(
    ("answer", "bucket", "error_type"),
    [
        (_status(500), "shadow_error", "500"),
        (_status(422), "shadow_error", "422"),
        (
            lambda asked: Reply(status=302, headers={"location": "http://169.254.169.254/"}),
            "shadow_error",
            "302",
        ),
        (lambda asked: Reply(raw=b"garbage\r\n\r\n"), "shadow_error", "ShadowProtocolError"),
        (lambda asked: Reply(raw=b""), "shadow_error", "ShadowProtocolError"),
        (
            lambda asked: Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort"),
            "shadow_error",
            "ShadowProtocolError",
        ),
        (lambda asked: Reply(body=b"x" * 3000), "shadow_error", "ShadowAnswerTooLarge"),
        (lambda asked: Reply(headers={"x-big": "y" * 500_000}), "shadow_error", "ShadowProtocolError"),
        (lambda asked: Reply(body=b'{"y": \xff}'), "incomparable", ""),
        (lambda asked: Reply(headers={"content-encoding": "br"}), "incomparable", ""),
    ],
)
def test_whatever_the_shadow_does_ends_in_one_bucket_with_a_reason(tmp_path, answer, bucket, error_type):
    with StubShadow(answer) as shadow:
        mirrored = Mirrored(app_answering(), shadow.url, max_body_bytes=2000)
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, bucket: 1}
    [comparison], _ = stored(tmp_path)
    assert (comparison.bucket, comparison.error_type) == (bucket, error_type)
    assert comparison.error or comparison.reason


@pytest.mark.fault("refuses")
def test_an_unreachable_shadow_opens_the_circuit_and_production_does_not_care(tmp_path):
    settings = {"breaker_failures": 3, "breaker_reset_seconds": 3600, "max_concurrency": 1}
    mirrored = Mirrored(app_answering(), CLOSED_PORT, **settings)
    mirrored.ask(times=10)
    counts = mirrored.counts()
    assert counts["shadow_error"] >= 3
    assert counts["shadow_error"] + counts["circuit_open"] == 10
    assert mirrored.shadow().circuit == "open"
    comparisons, tally = stored(tmp_path)
    assert {one.error_type for one in comparisons} == {"ShadowUnreachable"}
    assert tally == counts


@pytest.mark.fault("hangs")
def test_a_shadow_that_hangs_meets_the_deadline_of_the_whole_call(tmp_path):
    release = threading.Event()

    def hang(asked: Asked) -> Reply:
        release.wait(60)
        return Reply()

    with StubShadow(hang) as shadow:
        mirrored = Mirrored(app_answering(), shadow.url, timeout_seconds=0.2)
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, "shadow_timeout": 1}
        release.set()
    [comparison], _ = stored(tmp_path)
    assert (comparison.outcome, comparison.verdict) == ("timeout", "none")


@pytest.mark.fault("slow", "full")
def test_a_full_queue_drops_the_newest_and_a_slow_shadow_starves_no_other():
    release = threading.Event()

    def hang(asked: Asked) -> Reply:
        assert release.wait(60)
        return echo(asked)

    with StubShadow(hang) as slow, StubShadow() as healthy:
        targets = f"slow={slow.url}, healthy={healthy.url}"
        mirrored = Mirrored(app_answering(), targets, queue_size=8, max_concurrency=2, timeout_seconds=60)
        for number in range(20):
            mirrored.ask()
            healthy.wait_for(min(number + 1, 6))
        release.set()
        slow_counts, healthy_counts = mirrored.counts("slow"), mirrored.counts("healthy")
    assert slow_counts["queue_full"] > 0
    assert slow_counts["compared"] + slow_counts["queue_full"] == slow_counts["eligible"] == 20
    assert healthy_counts["compared"] >= slow_counts["compared"]


@pytest.mark.fault("slow")
def test_the_pool_is_capped():
    release, lock = threading.Event(), threading.Lock()
    under_way, most = 0, 0

    def count(asked: Asked) -> Reply:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        assert release.wait(60)
        with lock:
            under_way -= 1
        return Reply()

    with StubShadow(count) as shadow:
        mirrored = Mirrored(app_answering(), shadow.url, max_concurrency=3, timeout_seconds=60)
        mirrored.ask(times=10)
        shadow.wait_for(3)
        assert mirrored.shadow().active <= 3
        release.set()
        assert mirrored.counts()["eligible"] == 10
    assert most == 3


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize(("status", "error_type"), [(500, "500"), (404, "404")])
def test_where_production_fails_the_shadow_is_asked_all_the_same(tmp_path, mode, status, error_type):
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(status=status), shadow.url, mode=mode)
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, "production_error": 1}
    [comparison], _ = stored(tmp_path)
    assert (comparison.production_outcome, comparison.production_error_type) == ("error", error_type)
    assert (comparison.outcome, comparison.verdict) == ("answered", "none")


@pytest.mark.fault("raises")
@pytest.mark.parametrize("mode", ["async", "sync"])
def test_an_app_that_raises_is_a_production_error(mode):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise ValueError("the app's own")

    with StubShadow() as shadow:
        mirrored = Mirrored(app, shadow.url, mode=mode)
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, "production_error": 1}


@pytest.mark.fault("large-upload")
@pytest.mark.parametrize("mode", ["async", "sync"])
def test_bodies_over_the_cap_are_counted_and_never_sent(mode):
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), shadow.url, mode=mode, max_body_bytes=100)
        mirrored.ask(b"x" * 101)
        assert mirrored.counts() == {"eligible": 1, "too_large": 1}
        assert shadow.asked == []


@pytest.mark.fault("streams")
@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_response_over_the_cap_is_counted(mode):
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(b"x" * 101), shadow.url, mode=mode, max_body_bytes=100)
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, "too_large": 1}


def test_what_the_policy_leaves_out_stands_beside_the_books():
    async def unread(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with StubShadow() as shadow:
        Mirrored(app_answering(), shadow.url)
        sampled_out = Mirrored(app_answering(), shadow.url, sample_rate=0.0)
        sampled_out.ask()
        assert sampled_out.counts() == {"not_sampled": 1}
        loop = Mirrored(app_answering(), shadow.url)
        loop.ask(headers=[*HEADERS, (b"shadow-request", b"candidate")])
        assert loop.counts() == {"loop": 1}
        early = Mirrored(unread, shadow.url)
        early.ask()
        assert early.counts() == {"request_incomplete": 1}
        assert shadow.asked == []


def test_in_sync_mode_the_shadow_is_asked_before_production_answers(tmp_path):
    arrived = threading.Event()

    def answer(asked: Asked) -> Reply:
        arrived.set()
        return Reply(body=b'{"y": 1}')

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert arrived.wait(20), "the shadow must be asked while production still works"
        await app_answering()(scope, receive, send)

    with StubShadow(answer) as shadow:
        mirrored = Mirrored(app, shadow.url, mode="sync")
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, "compared": 1, "agree": 1}
    [comparison], _ = stored(tmp_path)
    assert comparison.mode == "sync"


def test_credentials_and_cookies_stay_at_home_and_the_request_is_marked():
    secrets = [
        (b"authorization", b"Bearer planted"),
        (b"cookie", b"session=planted"),
        (b"x-api-key", b"planted"),
        (b"proxy-authorization", b"planted"),
        (b"baggage", b"user=planted"),
    ]

    def answer(asked: Asked) -> Reply:
        return Reply(headers={"content-type": "application/json", "set-cookie": "tracker=1"})

    with StubShadow(answer) as shadow:
        mirrored = Mirrored(app_answering(), f"candidate={shadow.url}")
        mirrored.ask(headers=[*HEADERS, *secrets])
        mirrored.counts("candidate")
        mirrored.ask(headers=[*HEADERS, *secrets])
        mirrored.counts("candidate")
        for asked in shadow.asked:
            assert "planted" not in repr(asked.headers)
            assert asked.header("cookie") is None
            assert asked.header("shadow-request") == "candidate"
            assert asked.header("baggage") == "shadow_mw.role=shadow"
            assert asked.header("x-request-id") == "abc-1"
            assert asked.header("accept-encoding") == "identity"


def test_a_listed_header_is_sent_on():
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), shadow.url, forward_headers="X-Tenant, Content-Type, Host")
        mirrored.ask(headers=[*HEADERS, (b"x-tenant", b"blue"), (b"host", b"production.example")])
        mirrored.counts()
        [asked] = shadow.asked
    assert asked.header("x-tenant") == "blue"
    assert asked.header("host") == shadow.url.removeprefix("http://")


def test_a_target_with_a_path_is_asked_at_that_path():
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), f"{shadow.url}/v2/score")
        mirrored.ask()
        mirrored.counts()
        assert [asked.target for asked in shadow.asked] == ["/v2/score"]


def test_a_proxy_in_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", CLOSED_PORT)
    monkeypatch.setenv("ALL_PROXY", CLOSED_PORT)
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(b'{"x": 1}'), shadow.url)
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, "compared": 1, "agree": 1}


@pytest.mark.fault("comparator-raises")
def test_a_comparator_that_raises_still_leaves_a_record(tmp_path, monkeypatch):
    (tmp_path / "broken_comparator.py").write_text(
        "def judge(production, shadow):\n    raise KeyError('label')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), shadow.url, compare="python:broken_comparator:judge")
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, "incomparable": 1}
    [comparison], _ = stored(tmp_path)
    assert comparison.verdict == "incomparable"
    assert "KeyError" in comparison.reason


def test_prediction_and_features_are_taken_out_by_path(tmp_path):
    with StubShadow(lambda asked: Reply(body=b'{"out": {"y": 1}, "id": 9}')) as shadow:
        app = app_answering(b'{"out": {"y": 1}, "id": 7}')
        mirrored = Mirrored(app, shadow.url, prediction="out", features="x")
        mirrored.ask(b'{"x": [1, 2], "user": "me"}')
        assert mirrored.counts() == {"eligible": 1, "compared": 1, "agree": 1}
    [comparison], _ = stored(tmp_path)
    assert comparison.features == "[1,2]"
    assert comparison.production_prediction == '{"y":1}'


@pytest.mark.fault("disk", "store-away")
def test_a_store_that_cannot_be_written_is_one_warning_and_counted_drops(tmp_path, caplog):
    (tmp_path / "store").write_text("a file where the folder should be")
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), shadow.url)
        for _ in range(3):
            mirrored.ask()
            counts = mirrored.counts()
    assert counts["records_dropped"] == 3
    warnings = [record for record in caplog.records if "store" in record.getMessage()]
    assert len(warnings) == 1


def test_no_store_writes_nothing(tmp_path):
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), shadow.url, store="none")
        mirrored.ask()
        assert mirrored.counts()["eligible"] == 1
    assert not (tmp_path / "store").exists()


@pytest.mark.fault("terminated")
def test_what_is_left_at_the_deadline_of_a_stop_is_counted_as_lost(tmp_path):
    release = threading.Event()

    def hang(asked: Asked) -> Reply:
        release.wait(60)
        return Reply()

    with StubShadow(hang) as shadow:
        keywords = {"max_concurrency": 1, "timeout_seconds": 60, "drain_seconds": 0.2}
        mirrored = Mirrored(app_answering(), shadow.url, **keywords)
        mirrored.ask(times=5)
        shadow.wait_for(1)
        installation = mirrored.middleware._installation
        assert installation is not None
        installation.close()
        release.set()
    _, tally = stored(tmp_path)
    assert tally == {"eligible": 5, "worker_lost": 5}


def test_a_last_flush_that_takes_all_its_time_leaves_no_connection_open(monkeypatch):
    monkeypatch.setattr("shadow_mw.worker.worker._FINAL_FLUSH_SECONDS", 0.0)
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), shadow.url)
        mirrored.ask()
        mirrored.counts()
        installation = mirrored.middleware._installation
        assert installation is not None
        installation.close()
        gc.collect()  # warns of what is open, and a warning is an error here


def test_a_mirror_that_was_closed_works_again_with_the_next_request():
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(b'{"x": 1}'), shadow.url)
        mirrored.ask()
        installation = mirrored.middleware._installation
        assert installation is not None
        installation.close()
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 2, "compared": 2, "agree": 2}


def test_production_s_version_stands_in_the_record(tmp_path):
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), shadow.url, production_version="2026-11-02")
        mirrored.ask()
        mirrored.counts()
    assert [one.production_version for one in stored(tmp_path)[0]] == ["2026-11-02"]


def test_a_worker_gives_a_sign_of_life_for_each_shadow(tmp_path):
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), f"a={shadow.url}, b={CLOSED_PORT}", max_concurrency=3)
        mirrored.ask()
        mirrored.counts("a")
    with open_reader(tmp_path / "store") as reader:
        found = {pulse.shadow: pulse for pulse in pulses(reader)}
    assert {name: (pulse.circuit, pulse.limit) for name, pulse in found.items()} == {
        "a": ("closed", 3),
        "b": ("closed", 3),
    }


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_an_app_that_answers_before_it_reads_leaves_nothing_open(mode):
    async def hasty(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"y": 1}'})
        while (await receive()).get("more_body"):
            pass

    with StubShadow() as shadow:
        mirrored = Mirrored(hasty, shadow.url, mode=mode)
        mirrored.ask(times=3)
        counts = mirrored.counts()
    assert counts == {"request_incomplete": 3}
    assert shadow.asked == []
