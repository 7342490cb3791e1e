"""The mirror process seen from an app in this process: what arrives, what is counted, what one can see."""

from __future__ import annotations

import logging
import os
import random
import threading

import pytest
from asgi_driver import chunked, http_scope, run
from process_tools import DEADLINE_SECONDS, comparisons, echo, tallies, until

from shadow_mw.assembly.queues import blueprint
from shadow_mw.queues import mirror_process
from shadow_mw.records import Exchange
from shadow_mw.settings import load_settings
from shadow_mw.testing import drain

MEBIBYTE = 2**20


def test_the_app_sees_what_the_mirror_process_has_counted(make_app, shadow, runtime, tmp_path):
    app = make_app(shadow.url)
    app.ask(times=20)
    assert drain(DEADLINE_SECONDS)
    counts = app.counts()
    assert counts == {"eligible": 20, "compared": 20, "agree": 20}
    assert tallies(tmp_path / "store") == counts
    assert len(comparisons(tmp_path / "store")) == 20
    assert {one["queue"] for one in comparisons(tmp_path / "store")} == {"process:"}
    assert runtime.mirror() != os.getpid()


def test_two_apps_with_the_same_settings_share_the_process_and_its_numbers(make_app, shadow, runtime):
    first, second = make_app(shadow.url), make_app(shadow.url)
    first.ask(times=3)
    assert first.drained()["eligible"] == 3
    second.ask(times=4)
    assert second.drained()["eligible"] == 7
    assert len(runtime.mirrors()) == 1


def test_apps_with_other_settings_have_a_process_of_their_own(make_app, shadow, runtime):
    first, second = make_app(shadow.url), make_app(shadow.url, compare="exact")
    first.ask()
    second.ask()
    assert first.drained() == second.drained() == {"eligible": 1, "compared": 1, "agree": 1}
    assert len(runtime.mirrors()) == 2


def test_what_our_side_leaves_out_reaches_the_books(make_app, shadow, tmp_path):
    app = make_app(shadow.url, max_body_bytes=1000)
    app.ask(b"x" * 2000, times=3)
    app.ask(times=2)
    loop = [(b"shadow-request", b"1"), (b"content-type", b"application/json")]
    run(app.middleware, http_scope(headers=loop), chunked(b"[1]"))
    assert app.drained() == {"eligible": 5, "too_large": 3, "compared": 2, "agree": 2, "loop": 1}
    assert tallies(tmp_path / "store") == app.counts()


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param([random.Random(7).randbytes(MEBIBYTE - 1)] * 3, id="random bytes, nearly the cap"),
        pytest.param([random.Random(7).randbytes(MEBIBYTE)] * 3, id="random bytes, at the cap"),
        pytest.param([b"[" + b"1.5," * 60_000 + b"0]"] * 3, id="json"),
        pytest.param(
            [b"x" * size for size in (0, 1, 32767, 32768, 32769, 65536, 300_000)], id="around the limits"
        ),
    ],
)
def test_large_bodies_arrive_whole(make_app, shadow, bodies):
    app = make_app(shadow.url, timeout_seconds=60.0)
    for body in bodies:
        app.ask(body)
    counts = app.drained()
    assert sorted(asked.body for asked in shadow.asked) == sorted(bodies)
    assert counts["eligible"] == len(bodies)
    assert counts.get("queue_full", 0) == 0


def test_many_large_bodies_at_once_from_many_threads(make_app, shadow):
    body = b'"%s"' % (b"x" * 500_000)
    app = make_app(shadow.url, queue_bytes="256MiB", timeout_seconds=60.0)
    app.ask_from_threads(8, 10, body)
    assert app.drained() == {"eligible": 80, "compared": 80, "agree": 80}
    assert {asked.body for asked in shadow.asked} == {body}


def test_many_threads_at_once_lose_and_double_nothing(make_app, shadow):
    app = make_app(shadow.url, queue_size=10_000)
    app.ask_from_threads(16, 40)
    assert app.drained() == {"eligible": 640, "compared": 640, "agree": 640}
    assert len(shadow.asked) == 640


def test_in_sync_mode_the_shadow_is_asked_before_production_answers(make_app, shadow, tmp_path):
    async def waits(scope, receive, send):
        async def hold(message):
            if message["type"] == "http.response.start":
                shadow.wait_for(1, 60)  # with nothing said to the caller yet
            await send(message)

        await echo(scope, receive, hold)

    app = make_app(shadow.url, app=waits, mode="sync")
    app.ask()
    assert app.drained() == {"eligible": 1, "compared": 1, "agree": 1}
    [comparison] = comparisons(tmp_path / "store")
    assert comparison["mode"] == "sync"


def test_in_sync_mode_large_halves_and_failures_close_the_books(make_app, shadow):
    async def fails(scope, receive, send):
        await receive()
        raise LookupError("the app's own")

    app = make_app(shadow.url, mode="sync")
    broken = make_app(shadow.url, app=fails, mode="sync")
    app.ask(random.Random(1).randbytes(500_000), times=4)
    for _ in range(3):
        seen = run(broken.middleware, http_scope(), chunked(b"[1]"))
        assert isinstance(seen.error, LookupError)
    drained = broken.drained()
    assert (drained["eligible"], drained["production_error"]) == (7, 3)
    assert app.drained()["eligible"] == 7


def test_closing_and_going_on_books_each_exchange_once(make_app, shadow, tmp_path):
    app = make_app(shadow.url)
    for _ in range(5):
        app.ask(times=10)
        app.installation.close()
    app.ask(times=10)
    app.drained()
    until(lambda: tallies(tmp_path / "store").get("eligible") == 60, lambda: tallies(tmp_path / "store"))
    assert tallies(tmp_path / "store") == {"eligible": 60, "compared": 60, "agree": 60}


def test_the_process_and_its_files_go_with_the_last_app(make_app, shadow, runtime):
    first, second = make_app(shadow.url), make_app(shadow.url)
    first.ask()
    second.ask()
    second.drained()
    first.installation.close()
    second.ask()
    second.drained()
    assert runtime.mirror()
    second.installation.close()
    runtime.wait_gone()
    assert runtime.files == []
    second.ask()
    assert second.drained()["eligible"] == 1, "a new process, which counts anew"


def test_a_crash_loop_turns_mirroring_off_with_one_clear_line(make_app, shadow, monkeypatch, caplog):
    monkeypatch.setattr(mirror_process, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "nonsense")
    app = make_app(shadow.url)
    app.ask(times=3)
    until(lambda: "mirroring is off" in caplog.text, lambda: caplog.text)
    app.ask(times=5)
    assert app.installation.drain(60)
    app.installation.start()
    app.ask()
    assert app.counts() == {"eligible": 9, "worker_lost": 9}
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    [line] = lines
    assert line.startswith("mirroring is off: the mirror process ended 6 times in a row; its last words: ")
    assert "OTEL_TRACES_EXPORTER" in line
    assert shadow.asked == []


def test_settings_arrive_in_the_process_as_they_are(shadow, runtime):
    settings = load_settings(
        targets=f"a=http://127.0.0.1:9, b={shadow.url}/v2",
        routes="POST /predict, POST /v1/{name}:go",
        ignore="id, **.ts",
        redact="A, b",
        queue_bytes="256MiB",
        memory_bytes="1GiB",
        prediction="a.b[0]",
    )
    import json

    assert load_settings(**json.loads(json.dumps(blueprint(settings)))) == settings


def test_a_blocked_loop_is_not_ours(make_app, shadow, monkeypatch):
    """A large exchange costs the event loop no encoding and no sending: the keeper's thread does both."""
    from shadow_mw.queues import outbox

    threads: list[str] = []
    encode = outbox.encode

    def noting(message, number=0):
        if isinstance(message, Exchange):
            threads.append(threading.current_thread().name)
        return encode(message, number)

    monkeypatch.setattr(outbox, "encode", noting)
    app = make_app(shadow.url)
    app.installation.start()
    app.drained()
    app.ask(b"x" * 200_000, times=3)
    app.drained()
    assert threads == ["shadow_mw"] * 3
