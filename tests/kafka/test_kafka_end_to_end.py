"""One app, a real Kafka, several workers: whatever is killed, each exchange is compared once."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from broker import Broker
from broker_site import compared_once, ended
from otlp_receiver import OTLPReceiver
from process_tools import App, comparisons, until
from stub_shadow import Asked, Reply, StubShadow

from shadow_mw.queues.mirror_process import MirrorProcess

REQUESTS = 300


class Gate:
    """A shadow that answers what it is asked once the gate is open."""

    def __init__(self) -> None:
        self.is_open = threading.Event()

    def __call__(self, asked: Asked) -> Reply:
        self.is_open.wait(100)
        return Reply(body=asked.body)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.is_open.set()


@pytest.fixture
def topic(broker: Broker) -> str:
    return broker.new_topic(6)


def report(store: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "shadow_mw", "report", "--store", str(store), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.fault("kafka-worker-killed")
def test_of_three_workers_one_is_killed_in_the_middle_and_the_report_adds_up(
    site: Any, broker: Broker, topic: str, gate: Gate
):
    with StubShadow(gate) as shadow:
        shadow._server.socket.listen(128)
        here = site(broker.queue(topic), shadow.url)
        app, workers = here.app(), [here.worker() for _ in range(3)]
        here.ready(*workers)
        assert app.ask_many(REQUESTS) == [b"[1]"] * REQUESTS
        shadow.wait_for(9, 60)  # more than one worker has calls under way
        workers[0].tell(signal.SIGKILL)
        gate.is_open.set()
        compared_once(app.store, REQUESTS)
        ended(app, *workers[1:])
    [told] = report(app.store)["shadows"]
    account = told["analysis"]["account"]
    assert (
        account["eligible"] == sum(account["buckets"].values()) == account["buckets"]["compared"] == REQUESTS
    )
    assert (account["unaccounted"], account["coverage"]["rate"]) == (0, 1.0)


@pytest.mark.fault("kafka-restarts")
def test_the_broker_is_killed_and_comes_back_under_load_and_nothing_is_lost(
    site: Any, victim: Broker, shadow: StubShadow
):
    here = site(victim.queue(victim.new_topic(3)), shadow.url)
    app, worker = here.app(), here.worker()
    here.ready(worker)
    answers: list[bytes] = []
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(lambda: answers.extend(app.ask_many(REQUESTS, threads=2)))
        shadow.wait_for(20, 60)
        victim.kill()
        victim.start()
        load.result(100)
    assert answers == [b"[1]"] * REQUESTS
    compared_once(app.store, REQUESTS)
    ended(app, worker)


@pytest.mark.fault("kafka-away")
def test_the_broker_comes_after_the_app_and_the_worker(site: Any, victim: Broker, shadow: StubShadow):
    topic = victim.new_topic(2)
    victim.kill()
    here = site(victim.queue(topic), shadow.url)
    app, worker = here.app(), here.worker()
    assert app.ask_many(40) == [b"[1]"] * 40
    victim.start()
    compared_once(app.store, 40)
    ended(app, worker)


@pytest.mark.fault("kafka-rebalance")
def test_workers_come_and_go_under_load(site: Any, broker: Broker, topic: str, shadow: StubShadow):
    here = site(broker.queue(topic), shadow.url)
    app, first = here.app(), here.worker()
    here.ready(first)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(app.ask_many, REQUESTS, threads=2)
        shadow.wait_for(10, 60)
        second = here.worker()
        here.ready(second)
        shadow.wait_for(100, 60)
        ended(first)
        third = here.worker()
        assert load.result(100) == [b"[1]"] * REQUESTS
    compared_once(app.store, REQUESTS)
    ended(app, second, third)


def test_a_shadow_that_is_down_is_waited_for(site: Any, broker: Broker, topic: str):
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
        here = site(broker.queue(topic), f"http://127.0.0.1:{port}", SHADOW_WORKER_LISTEN="")
        app, worker = here.app(), here.worker()
        assert app.ask_many(50) == [b"[1]"] * 50
        until(lambda: broker.contents(topic), "exchanges in the topic")
        with StubShadow(port=port):
            compared_once(app.store, 50)
            ended(app, worker)


@pytest.mark.fault("kafka-away")
def test_without_a_broker_production_answers_and_the_books_close_at_the_end(
    site: Any, victim: Broker, shadow: StubShadow
):
    topic = victim.new_topic()
    victim.kill()
    here = site(victim.queue(topic), shadow.url, SHADOW_DRAIN_SECONDS="1")
    app = here.app()
    assert app.ask_many(30) == [b"[1]"] * 30
    ended(app)
    app.wait_gone()
    books = app.books(30)
    assert books == {"eligible": 30, "queue_full": 30}
    assert app.log.count("production is not affected") <= 1, app.log
    victim.start()


@pytest.mark.fault("kafka-large")
def test_an_exchange_too_large_for_the_topic_is_counted_by_the_worker(
    site: Any, broker: Broker, shadow: StubShadow
):
    topic = broker.new_topic(1, max_message_bytes="20000")
    here = site(broker.queue(topic), shadow.url)
    app, worker = here.app(), here.worker()
    large = json.dumps(os.urandom(15_000).hex()).encode()  # which no compression makes small
    assert app.ask_many(3, body=large) == [large] * 3
    assert app.ask_many(4) == [b"[1]"] * 4
    assert app.books(7) == {"eligible": 7, "too_large": 3, "compared": 4, "agree": 4}
    ended(app, worker)


@pytest.mark.fault("poison")
def test_a_foreign_message_is_a_dead_letter_and_the_next_one_goes_on(
    site: Any, broker: Broker, shadow: StubShadow
):
    topic = broker.new_topic(1)
    broker.make_topic(f"{topic}.dead")
    broker.put(topic, b"\x80\x04cposix\nsystem\n", headers={"kind": "pickle"})
    here = site(broker.queue(topic), shadow.url)
    app, worker = here.app(), here.worker()
    assert app.ask_many(5) == [b"[1]"] * 5
    compared_once(app.store, 5)
    [dead] = until(lambda: broker.contents(f"{topic}.dead"), "a dead letter")
    headers = {name: value.decode() for name, value in dead.headers()}
    assert dead.value() == b"\x80\x04cposix\nsystem\n"
    assert headers["kind"] == "pickle"
    assert headers["shadow_mw_dead_reason"].startswith("this is no envelope of shadow_mw")
    assert (headers["shadow_mw_dead_topic"], headers["shadow_mw_dead_offset"]) == (topic, "0")
    ended(app, worker)


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_a_secret_is_nowhere_at_the_broker(
    site: Any, broker: Broker, topic: str, shadow: StubShadow, tmp_path: Path, is_encrypted: bool
):
    keys = tmp_path / "keys"
    keys.write_text("k1: " + "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=" + "\n")
    keys.chmod(0o600)
    more = {"SHADOW_ENCRYPTION_KEYS": str(keys)} if is_encrypted else {}
    here = site(broker.queue(topic), shadow.url, SHADOW_REDACT_REQUEST="card", **more)
    app, worker = here.app(), here.worker()
    body = b'{"card":"4111-canary","name":"visible"}'
    assert app.ask_many(5, body=body) == [body] * 5
    compared_once(app.store, 5)
    ended(app, worker)
    messages = broker.contents(topic)
    assert len(messages) == 5
    for message in messages:
        kept = message.value() + repr(message.headers()).encode()
        assert b"canary" not in kept
        assert (b"visible" in kept) != is_encrypted
    assert not any(b"canary" in asked.body for asked in shadow.asked)
    assert not any("canary" in json.dumps(record) for record in comparisons(app.store))


@pytest.mark.parametrize("trace", ["same", "linked"])
def test_the_shadow_joins_productions_trace_or_links_to_it(
    site: Any, broker: Broker, topic: str, shadow: StubShadow, trace: str
):
    with OTLPReceiver("grpc") as receiver:
        more = {**receiver.environment, "OTEL_METRICS_EXPORTER": "none", "SHADOW_TRACE": trace}
        here = site(broker.queue(topic), shadow.url, **more)
        app = here.app()
        app.ask()
        ended(app)  # production is long gone when the shadow is asked
        worker = here.worker()
        compared_once(app.store, 1)
        assert receiver.wait_for(
            lambda told: bool(told.spans("predict shadow") and told.spans("predict production")), 30
        )
        [production], [asked] = receiver.spans("predict production"), receiver.spans("predict shadow")
        ended(worker)
    assert [link.span_id for link in asked.links] == [production.span_id]
    assert (asked.trace_id == production.trace_id) == (trace == "same")
    assert asked.attributes["shadow_mw.queue"] == here.queue
    assert asked.attributes["shadow_mw.production.prediction"] == "[1]"


def test_drain_waits_until_the_broker_has_everything(broker: Broker, shadow: StubShadow, runtime: Any):
    topic = broker.new_topic(2)
    app = App(shadow.url, queue=broker.queue(topic))
    app.ask(times=20)
    assert app.installation.drain(60)
    assert len(broker.contents(topic)) == 20
    app.installation.close()


def test_where_no_process_can_be_started_a_thread_of_the_app_sends(
    broker: Broker, shadow: StubShadow, runtime: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(MirrorProcess, "is_possible", staticmethod(lambda: False))
    topic = broker.new_topic(2)
    app = App(shadow.url, queue=broker.queue(topic))
    app.ask(times=20)
    assert app.installation.drain(60)
    assert len(broker.contents(topic)) == 20
    assert app.counts() == {}
    app.installation.close()
    assert runtime.mirrors() == []


def test_those_who_watch_a_worker_see_its_lag_and_why_it_is_not_ready(site: Any, victim: Broker, gate: Gate):
    topic = victim.new_topic(1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with StubShadow(gate) as shadow:
        here = site(victim.queue(topic), shadow.url)
        app = here.app()
        worker = here.worker(SHADOW_WORKER_LISTEN=f"127.0.0.1:{port}", SHADOW_QUEUE_SIZE="8")
        app.ask_many(40)
        shadow.wait_for(8, 60)
        until(lambda: "shadow_mw_queue_lag 40.0" in metrics(port), lambda: metrics(port))
        assert watched(port, "/healthz") == (200, b"ok\n")
        assert watched(port, "/readyz")[0] == 200
        assert len(shadow.asked) == 8, "no more is taken than there is room for"
        victim.kill()
        _, body = until(
            lambda: (found := watched(port, "/readyz"))[0] == 503 and found, "the worker's complaint"
        )
        assert json.loads(body)["why"].startswith("no broker answers")
        gate.is_open.set()
        victim.start()
        compared_once(app.store, 40)
        until(lambda: watched(port, "/readyz")[0] == 200, "the worker ready again")
        until(lambda: "shadow_mw_queue_lag 0.0" in metrics(port), lambda: metrics(port))
        ended(app, worker)


def watched(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ConnectionRefusedError:
        return 0, b""
    finally:
        connection.close()


def metrics(port: int) -> str:
    """The page of metrics, without labels of the scope."""
    return re.sub(r"\{otel_scope[^}]*\}", "", watched(port, "/metrics")[1].decode())


def test_workers_of_a_topic_are_a_group_of_their_own(
    site: Any, broker: Broker, topic: str, shadow: StubShadow
):
    here = site(broker.queue(topic), shadow.url)
    app, worker = here.app(), here.worker()
    app.ask_many(5)
    compared_once(app.store, 5)
    ended(app, worker)
    groups = (f"shadow_mw.{topic}", "shadow_mw")
    done = [sum(broker.committed(topic, partition=n, group=group) or 0 for n in range(6)) for group in groups]
    assert done == [5, 0]


def test_a_wrong_option_turns_mirroring_off_with_a_sentence_and_production_answers(
    site: Any, broker: Broker, topic: str, shadow: StubShadow
):
    here = site(broker.queue(topic), shadow.url, SHADOW_KAFKA_SECURITY_PROTOCOLL="SSL")
    app = here.app()
    assert app.ask_many(5) == [b"[1]"] * 5
    app.says("mirroring is off")
    app.says("did you mean SHADOW_KAFKA_SECURITY_PROTOCOL?")
    assert app.ask_many(5) == [b"[1]"] * 5
    worker = here.worker()
    assert worker.wait() == 1
    assert "did you mean SHADOW_KAFKA_SECURITY_PROTOCOL?" in worker.log
    assert "Traceback" not in worker.log
