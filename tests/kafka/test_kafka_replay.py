"""`shadow-mw replay` from a topic: nothing is taken away, nothing asked twice, and the books are its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from broker import Broker
from memory_broker import exchange
from stub_shadow import Asked, Reply, StubShadow

from shadow_mw.cli import main
from shadow_mw.envelope import Sealer
from shadow_mw.frames import Counts
from shadow_mw.questions import books
from shadow_mw.scope import Scope
from shadow_mw.stores.reader import open_reader

SEALER = Sealer(service="shop", production_version="7")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHADOW_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def topic(broker: Broker) -> Callable[..., str]:
    """A topic with so many exchanges, the counts of an app, and a message of somebody else's."""

    def made(count: int, *, sealer: Sealer = SEALER) -> str:
        name = broker.new_topic(3)
        for number in range(1, count + 1):
            body = json.dumps({"x": number}).encode()
            envelope = sealer.exchange(exchange(number, body=body, answer=body))
            broker.put(name, envelope.value, envelope.key.encode(), headers=envelope.headers)
        counts = sealer.counts(Counts((("POST /predict", "live", {"eligible": 2, "queue_full": 2}),)))
        broker.put(name, counts.value, headers=counts.headers)
        broker.put(name, b"an order", headers={"ce_type": "order.placed"})
        return name

    return made


def answer(asked: Asked) -> Reply:
    return Reply(body=asked.body)


def replay(broker: Broker, topic: str, *words: str) -> int:
    return main(["replay", "--from", broker.queue(topic), *words])


def test_what_lies_in_a_topic_is_asked_of_another_shadow_and_stays_there(
    broker: Broker, topic: Any, store: Path, capsys: pytest.CaptureFixture[str]
):
    name = topic(30)
    with StubShadow(answer) as shadow:
        assert replay(broker, name, "--to", f"next={shadow.url}") == 0
        said = capsys.readouterr().out
        assert "30 exchanges asked of next: 30 answered, 30 agree, 0 disagree." in said
        assert "1 left out: this is no envelope of shadow_mw: its ce_type is 'order.placed'." in said
        assert replay(broker, name, "--to", f"next={shadow.url}") == 0
        assert len(shadow.asked) == 30
    with open_reader(store) as reader:
        assert books(reader, Scope(shadow="next"))["POST /predict"] == {
            "eligible": 30,
            "compared": 30,
            "agree": 30,
        }
        [row] = reader.rows("SELECT DISTINCT service, production_version, queue FROM comparisons")
    assert row == {"service": "shop", "production_version": "7", "queue": "replay:"}
    assert broker.committed(name, group=f"shadow_mw.{name}") is None
    assert len(broker.contents(name)) == 32


def test_a_part_can_be_chosen_by_the_features(broker: Broker, topic: Any, store: Path, capsys: Any):
    with StubShadow(answer) as shadow:
        assert replay(broker, topic(12), "--to", f"next={shadow.url}", "--where", "x > `9`") == 0
    assert sorted(json.loads(asked.body)["x"] for asked in shadow.asked) == [10, 11, 12]
    assert "3 exchanges asked" in capsys.readouterr().out


def test_a_part_can_be_chosen_by_the_moment_and_the_count(broker: Broker, topic: Any, store: Path):
    name = topic(12)
    with StubShadow(answer) as shadow:
        assert replay(broker, name, "--to", f"next={shadow.url}", "--until", "2020-01-01") == 0
        assert shadow.asked == []
        assert replay(broker, name, "--to", f"next={shadow.url}", "--since", "1h", "--limit", "5") == 0
        assert len(shadow.asked) == 5
        assert replay(broker, name, "--to", f"next={shadow.url}", "--since", "1h") == 0
        assert len(shadow.asked) == 12


def test_a_rate_is_kept(broker: Broker, topic: Any, store: Path):
    """At 20 a second, the twelfth is asked no sooner than half a second after the first."""
    moments = []

    def note(asked: Asked) -> Reply:
        moments.append(time.monotonic())
        return Reply(body=asked.body)

    with StubShadow(note) as shadow:
        assert replay(broker, topic(12), "--to", f"next={shadow.url}", "--rate", "20") == 0
    assert len(moments) == 12
    assert max(moments) - min(moments) >= 0.45


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--where", "x >"), "--where: 'x >' is not JMESPath"),
        (("--shadow", "live"), "--shadow and --route choose among a store's records"),
    ],
)
def test_a_mistake_gets_a_sentence(broker: Broker, store: Path, capsys: Any, words: Any, said: str):
    assert replay(broker, "nothing", "--to", "next=http://127.0.0.1:9", *words) == 1
    assert said in capsys.readouterr().err


def test_a_topic_that_is_not_there_gets_a_sentence(broker: Broker, store: Path, capsys: Any):
    assert replay(broker, "nothing", "--to", "next=http://127.0.0.1:9") == 1
    told = capsys.readouterr().err
    assert "the topic nothing does not exist" in told
    assert "Traceback" not in told


def test_what_was_encrypted_needs_its_key(
    broker: Broker, topic: Any, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    from shadow_mw.encryption import Keyring

    keys = tmp_path / "keys"
    keys.write_text("k1: q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\n")
    keys.chmod(0o600)
    name = topic(3, sealer=Sealer(service="shop", keys=Keyring.from_file(str(keys))))
    with StubShadow(answer) as shadow:
        assert replay(broker, name, "--to", f"next={shadow.url}") == 0
        assert shadow.asked == []
        assert "3 left out: the envelope is encrypted with the key 'k1'" in capsys.readouterr().out
        monkeypatch.setenv("SHADOW_ENCRYPTION_KEYS", str(keys))
        assert replay(broker, name, "--to", f"next={shadow.url}") == 0
        assert len(shadow.asked) == 3


def test_records_tell_the_sampling_of_the_time(broker: Broker, store: Path):
    name = broker.new_topic()
    sent = exchange(1)
    sampled = msgspec.structs.replace(sent, request=msgspec.structs.replace(sent.request, sample_rate=0.25))
    envelope = SEALER.exchange(sampled)
    broker.put(name, envelope.value, headers=envelope.headers)
    with StubShadow(lambda asked: Reply(body=b'{"y":1}')) as shadow:
        assert replay(broker, name, "--to", f"next={shadow.url}") == 0
    with open_reader(store) as reader:
        [row] = reader.rows("SELECT sample_rate, mode FROM comparisons")
    assert row == {"sample_rate": 0.25, "mode": "async"}
