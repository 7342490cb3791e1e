"""Secrets planted in everything that passes, looked for in everything that keeps or shows something of it."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest
from memory_broker import MemoryBroker, MemoryInbox, exchange
from otlp_receiver import OTLPReceiver
from process_tools import DEADLINE_SECONDS, comparisons
from stub_shadow import Reply, StubShadow

from shadow_mw.assembly.concealing import conceal
from shadow_mw.broker_worker import Consuming
from shadow_mw.cli import main
from shadow_mw.dashboard import dashboard
from shadow_mw.envelope import Sealer
from shadow_mw.settings import load_settings

TALKATIVE = """
import logging, uvicorn
logging.basicConfig(level=logging.DEBUG)
uvicorn.run("process_app:app", port=0, access_log=False)
"""
KEY = "0123456789abcdef-key"
RULES = (
    "password, login.pin, user.email=hash, items[?kind=='card'].number, notes[*]=drop, api_key, debug=drop"
)
PLACES = ("asked", "answered", "header", "query")
HEADERS = {
    "authorization": "Bearer canary-header",
    "cookie": "session=canary-header",
    "x-api-key": "canary-header",
    "content-type": "application/json",
}


def body(place: str) -> dict[str, Any]:
    """A body with a canary in each place that the rules name, its keys among them."""
    canary = f"canary-{place}"
    return {
        "x": 1,
        "login": {"Password": canary, "pin": {canary: 1}},
        "user": {"email": f"{canary}@example.org", "name": "jo"},
        "items": [{"kind": "card", "number": [canary]}, {"kind": "toy", "number": 7}],
        "notes": [canary, {"text": canary}],
        "debug": {canary: canary},
    }


@pytest.fixture
def shadow_that_differs(shadow: StubShadow) -> StubShadow:
    shadow.answer = lambda asked: Reply(body=json.dumps(body("answered")).encode())
    return shadow


def ask(program: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=DEADLINE_SECONDS)
    sent = json.dumps(body("asked")).encode()
    connection.request("POST", "/predict?api_key=canary-query&q=1", sent, HEADERS)
    assert connection.getresponse().read() == sent, "production's caller gets every byte"
    connection.close()


def shown(store: Path, tmp_path: Path, capsys: Any) -> dict[str, str]:
    """What every way of looking at a store says."""
    out = {}
    for words in (
        ("report", "--json"),
        ("report", "--html"),
        ("report", "--markdown"),
        ("report",),
        ("export", "--format", "jsonl"),
        ("export", "--format", "csv"),
        ("sql", "SELECT * FROM comparisons", "--json"),
    ):
        assert main([*words, "--store", str(store)]) == 0
        out[" ".join(words)] = capsys.readouterr().out
    for path in ("/", "/exchanges", f"/exchange/{comparisons(store)[0]['record_id']}", "/api/analysis"):
        out[path] = page(store, path)
    return out


def page(store: Path, path: str) -> str:
    async def get() -> str:
        transport = httpx.ASGITransport(app=dashboard(str(store)), client=("127.0.0.1", 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8400") as client:
            return (await client.get(path, timeout=DEADLINE_SECONDS)).text

    return anyio.run(get)


def leaks(texts: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (name, f"canary-{place}")
        for name, text in texts.items()
        for place in PLACES
        if f"canary-{place}" in text
    ]


@pytest.mark.fault("secrets")
@pytest.mark.parametrize("queue", ["inline:", "process:"])
def test_secrets_are_in_no_span_no_record_no_log_and_on_no_page(
    start: Any, shadow_that_differs: StubShadow, queue: str, tmp_path: Path, capsys: Any
) -> None:
    with OTLPReceiver("http/protobuf") as receiver:
        program = start(
            "-c",
            TALKATIVE,
            SHADOW_TARGETS=shadow_that_differs.url,
            SHADOW_QUEUE=queue,
            SHADOW_REDACT=RULES,
            SHADOW_REDACT_KEY=KEY,
            SHADOW_COMPARE="exact",
            **receiver.environment,
        )
        ask(program)
        assert program.statistics() == {"eligible": 1, "compared": 1, "disagree": 1}, "judged is the truth"
        program.process.terminate()
        program.wait()
        assert receiver.wait_for(lambda one: len(one.spans()) >= 2, DEADLINE_SECONDS)
        texts = {"spans": repr(receiver.spans()), "metrics": repr(receiver.metrics()), "log": program.log}
    assert [json.loads(asked.body) for asked in shadow_that_differs.asked] == [body("asked")]
    [record] = comparisons(program.store)
    assert record["features"].count("hmac:") == 1
    assert "hmac:" in texts["spans"]
    texts |= {str(path): path.read_text() for path in program.store.rglob("*") if path.is_file()}
    texts |= shown(program.store, tmp_path, capsys)
    assert leaks(texts) == []
    assert KEY not in repr(texts)


@pytest.mark.fault("secrets")
def test_what_may_not_leave_is_in_nothing_that_the_shadow_is_sent(
    start: Any, shadow_that_differs: StubShadow
) -> None:
    program = start(
        "-c",
        TALKATIVE,
        SHADOW_TARGETS=shadow_that_differs.url,
        SHADOW_REDACT="nothing",
        SHADOW_REDACT_REQUEST=RULES,
        SHADOW_REDACT_KEY=KEY,
    )
    ask(program)
    assert program.statistics()["compared"] == 1
    program.process.terminate()
    program.wait()
    [asked] = shadow_that_differs.asked
    assert asked.target == "/predict?api_key=%5Bredacted%5D&q=1"
    sent = json.loads(asked.body)
    assert (sent["x"], sent["user"]["name"], sent["items"][1]) == (1, "jo", {"kind": "toy", "number": 7})
    texts = {"asked": repr(asked), "log": program.log}
    texts |= {str(path): path.read_text() for path in program.store.rglob("*") if path.is_file()}
    assert leaks(texts) == [], "nor does anything else hold it, since nobody was told"


@pytest.mark.fault("secrets")
def test_what_may_not_leave_is_in_no_message_of_a_broker_and_in_no_dead_letter(
    shadow_that_differs: StubShadow, tmp_path: Path
) -> None:
    settings = load_settings(
        targets=shadow_that_differs.url,
        routes="POST /predict",
        queue="kafka://broker.invalid:9092/topic",
        redact="nothing",
        redact_request=RULES,
        redact_key=KEY,
        drain_seconds=20,
    )
    sealer = Sealer(service="shop", conceal=conceal(settings).exchange)
    planted = json.dumps(body("asked")).encode()
    sent = exchange(body=planted, answer=planted, query="api_key=canary-query")
    broker = MemoryBroker()
    letter = sealer.exchange(sent)
    broker.put(letter)
    broker.put(msgspec.structs.replace(letter, id="half", value=letter.value[:-5]))

    async def work() -> None:
        await Consuming(settings, MemoryInbox(broker)).run(())

    anyio.run(work)
    assert len(broker.acknowledged) == 2
    assert len(broker.dead) == 1
    [asked] = shadow_that_differs.asked
    texts = {"messages": repr(broker.acknowledged), "dead": repr(broker.dead), "asked": repr(asked)}
    store = tmp_path / "store"
    texts |= {str(path): path.read_text() for path in store.rglob("*") if path.is_file()}
    assert leaks(texts) == []
    assert comparisons(store) != []
