"""The pages of those who watch a worker, served by a real uvicorn."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import signal
import socket
import sys
import threading

import anyio
import anyio.to_thread
import pytest
from anyio.from_thread import start_blocking_portal
from anyio.lowlevel import checkpoint

from shadow_mw.exceptions import MissingExtraError, SettingsError
from shadow_mw.monitor import monitor_app, monitor_listener, serve_at
from shadow_mw.snapshots import Latency, ShadowStatistics, Statistics

TEXT = "text/plain; version=0.0.4; charset=utf-8"
DEADLINE_SECONDS = 60


def a_shadow(name: str, circuit: str) -> ShadowStatistics:
    return ShadowStatistics(
        shadow=name,
        url="http://secret.example",
        routes={"POST /predict": {"eligible": 5}},
        circuit=circuit,
        active=1,
        limit=8,
        waiting=2,
        production=Latency(),
        answers=Latency(),
    )


class Source:
    """What the pages tell of."""

    def __init__(self) -> None:
        self.problem = ""
        self.error: Exception | None = None
        self.lag: int | None = None
        self.circuits = {"forest": "closed"}
        self.threads: set[int] = set()
        self.scrape = lambda: (b"shadow_mw_queue_lag 7\n", TEXT)

    def app(self):
        return monitor_app(snapshot=self.snapshot, problem=lambda: self.problem, exposition=self.exposition)

    def snapshot(self) -> Statistics:
        if self.error:
            raise self.error
        shadows = tuple(a_shadow(name, circuit) for name, circuit in self.circuits.items())
        return Statistics(mode="async", queue="kafka://secret/topic", shadows=shadows, lag=self.lag)

    def exposition(self) -> tuple[bytes, str]:
        self.threads.add(threading.get_ident())
        if self.error:
            raise self.error
        return self.scrape()


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


def ask(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        return Answer(connection.getresponse())


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def portal():
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def serving(source, portal):
    """The port, and what cancels the server there and waits for its end."""
    listener = monitor_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    ended = threading.Event()

    async def serve() -> None:
        try:
            await serve_at(listener, source.app())
        finally:
            ended.set()

    future = portal.start_task_soon(serve)

    def stop() -> None:
        future.cancel()  # which says so at once, and not when it has ended
        assert ended.wait(DEADLINE_SECONDS)

    yield port, stop
    stop()


@pytest.fixture
def port(serving):
    return serving[0]


def test_health_is_told_while_the_loop_answers(port, source):
    source.problem = "the broker cannot be reached"
    answer = ask(port, "/healthz")
    assert (answer.status, answer.body) == (200, b"ok\n")


def test_readiness(port, source):
    source.circuits = {"forest": "closed", "pine": "open", "fir": "half-open"}
    source.lag = 12
    answer = ask(port, "/readyz")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {"ready": True, "open_circuits": ["pine"], "lag": 12}


def test_a_problem_is_told_and_goes_away(port, source):
    source.problem = "the worker drains"
    answer = ask(port, "/readyz")
    assert answer.status == 503
    assert answer.json == {"ready": False, "why": "the worker drains", "open_circuits": [], "lag": None}
    source.problem = ""
    assert ask(port, "/readyz").status == 200


def test_metrics_are_made_on_a_thread_so_that_the_loop_goes_on(port, source, portal):
    answer = ask(port, "/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, TEXT)
    assert answer.body == b"shadow_mw_queue_lag 7\n"
    assert portal.call(threading.get_ident) not in source.threads


def test_head_has_the_headers_and_no_body(port):
    for path in ("/healthz", "/readyz", "/metrics"):
        answer, whole = ask(port, path, "HEAD"), ask(port, path)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == str(len(whole.body))


def test_everything_else_is_refused_and_nothing_is_told(port):
    for path in ("/", "/healthz/", "/metrics/x", "/docs", "/%2e%2e/etc/passwd", "/HEALTHZ"):
        answer = ask(port, path)
        assert (answer.status, answer.body) == (404, b""), path
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        answer = ask(port, "/readyz", method)
        assert (answer.status, answer.body) == (405, b""), method
        assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD"}


def test_nothing_is_kept_by_caches_and_the_server_is_not_named(port, source):
    answers = [ask(port, path) for path in ("/healthz", "/readyz", "/metrics", "/elsewhere")]
    source.error = RuntimeError("secret")
    answers += [ask(port, "/readyz"), ask(port, "/metrics"), ask(port, "/metrics", "POST")]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert b"secret" not in answer.body


def test_an_upgrade_is_answered_as_a_plain_request(port):
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert ask(port, "/healthz", **headers, **{"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}).status == 200


def test_what_cannot_be_told_is_unready_and_logged_once(port, source, caplog):
    source.error = RuntimeError("broken")
    for _ in range(2):
        answer = ask(port, "/readyz")
        assert (answer.status, answer.json["ready"]) == (503, False)
        assert ask(port, "/metrics").status == 500
    assert ask(port, "/healthz").status == 200
    assert len(caplog.records) == 1


def test_requests_and_garbage_leave_no_line_in_the_log(port, caplog):
    with caplog.at_level(logging.INFO):
        ask(port, "/healthz")
        with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as stranger:
            stranger.sendall(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
            while stranger.recv(4096):
                pass
        assert ask(port, "/healthz").status == 200
    assert [one.getMessage() for one in caplog.records if one.name.startswith("uvicorn")] == []


def test_it_ends_when_cancelled_though_connections_are_open(serving):
    port, stop = serving
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)) as idle:
        idle.request("GET", "/healthz")
        assert idle.getresponse().read() == b"ok\n"
        stop()
        idle.sock.setblocking(False)  # closed before the end, not by a timeout later on
        assert idle.sock.recv(1) == b""
    with contextlib.closing(monitor_listener("127.0.0.1", port)):
        pass  # the port is free again


def test_a_scrape_that_hangs_holds_up_neither_the_other_pages_nor_the_end(serving, source):
    port, stop = serving
    asked, gate = threading.Event(), threading.Event()
    source.scrape = lambda: (asked.set(), gate.wait(DEADLINE_SECONDS), (b"", TEXT))[2]
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)) as slow:
        try:
            slow.request("GET", "/metrics")
            assert asked.wait(DEADLINE_SECONDS)
            assert ask(port, "/healthz").status == 200
            stop()
        finally:
            gate.set()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_on_the_main_thread_signals_stay_the_processs_own(source):
    """uvicorn would take them there, and the worker would not drain."""
    port = free_port()

    def handlers():
        return [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]

    async def watch() -> None:
        before = handlers()
        async with anyio.create_task_group() as group:
            group.start_soon(serve_at, monitor_listener("127.0.0.1", port), source.app())
            await checkpoint()  # it listens with its first step
            answer = await anyio.to_thread.run_sync(ask, port, "/healthz")
            assert answer.status == 200
            assert handlers() == before
            group.cancel_scope.cancel()
        assert handlers() == before

    anyio.run(watch)


def test_cancelled_before_it_has_begun_it_ends(source):
    async def begin_and_end() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await serve_at(monitor_listener("127.0.0.1", 0), source.app())

    anyio.run(begin_and_end)


def test_a_taken_port_is_a_sentence_that_names_the_variable(port, source):
    with pytest.raises(SettingsError) as error:
        anyio.run(serve_at, monitor_listener("127.0.0.1", port), source.app())
    assert str(error.value) == (
        f"SHADOW_WORKER_LISTEN: cannot listen at 127.0.0.1 port {port}: Address already in use"
    )


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 9464), ("no-such-host.invalid", 9464), ("127.0.0.1", 70000)]
)
def test_an_address_that_is_none_is_a_sentence(host, port):
    with pytest.raises(SettingsError, match=f"SHADOW_WORKER_LISTEN: cannot listen at {host} port {port}: "):
        monitor_listener(host, port)


def test_localhost_is_what_most_clients_take_it_for():
    with contextlib.closing(monitor_listener("localhost", 0)) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_ipv6(host):
    try:
        listener = monitor_listener(host, 0)
    except SettingsError:
        pytest.skip("this machine has no IPv6")
    with contextlib.closing(listener):
        assert listener.family == socket.AF_INET6


def test_without_the_extra_the_command_is_named(source, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError) as error:
        anyio.run(serve_at, monitor_listener("127.0.0.1", 0), source.app())
    assert str(error.value) == (
        "SHADOW_WORKER_LISTEN needs an extra that is not installed: pip install 'shadow-mw[worker]'"
    )
