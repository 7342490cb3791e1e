"""`shadow-mw replay` from a store: another shadow is asked once what production was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stub_shadow import Asked, Reply, StubShadow

from shadow_mw.cli import main
from shadow_mw.questions import books, seen
from shadow_mw.records import Comparison
from shadow_mw.scope import Scope
from shadow_mw.stores.reader import open_reader
from shadow_mw.stores.segments import SegmentStore

T0 = 1_790_000_000_000_000


def record(number: int, **more: Any) -> Comparison:
    facts: dict[str, Any] = {
        "record_id": f"0193a5b0-0000-7000-8000-{number:012x}",
        "request_id": f"request-{number}",
        "ts_us": T0 + number,
        "service": "shop",
        "production_version": "7",
        "route": "POST /predict",
        "method": "POST",
        "shadow": "live",
        "bucket": "compared",
        "outcome": "answered",
        "verdict": "agree" if number % 2 else "disagree",
        "features": json.dumps({"x": number}),
        "production_prediction": json.dumps({"y": number}),
        "shadow_prediction": json.dumps({"y": number % 2}),
        "production_status": 200,
        "production_us": 1500,
        "queue": "process:",
    }
    return Comparison(**{**facts, **more})


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Path]:
    def recorded(*records: Comparison) -> Path:
        store = SegmentStore(tmp_path / "store", max_bytes=2**30, retention_days=36500)
        store.write(records or [record(number) for number in range(1, 11)])
        store.close()
        return tmp_path / "store"

    return recorded


def doubled(asked: Asked) -> Reply:
    return Reply(body=json.dumps({"y": json.loads(asked.body)["x"]}).encode())


def replay(*words: str) -> int:
    return main(["replay", *words])


def of_shadow(store: Path, name: str) -> list[dict[str, Any]]:
    with open_reader(store) as reader:
        return reader.rows("SELECT * FROM comparisons WHERE shadow = ? ORDER BY ts_us", [name])


def test_a_new_shadow_is_asked_what_production_was_asked_and_compared_with_what_it_said(recorded, capsys):
    store = recorded()
    with StubShadow(doubled) as shadow:
        assert replay("--from", str(store), "--to", f"next={shadow.url}") == 0
    said = capsys.readouterr().out
    assert "10 exchanges asked of next: 10 answered, 10 agree, 0 disagree." in said
    assert "shadow-mw report --shadow next" in said
    assert {asked.target for asked in shadow.asked} == {"/predict"}
    assert sorted(json.loads(asked.body)["x"] for asked in shadow.asked) == list(range(1, 11))
    rows = of_shadow(store, "next")
    assert [row["ts_us"] for row in rows] == [T0 + number for number in range(1, 11)]
    assert {(row["service"], row["production_version"], row["queue"]) for row in rows} == {
        ("shop", "7", "replay:")
    }
    assert {(row["production_us"], row["production_status"]) for row in rows} == {(1500, 200)}
    with open_reader(store) as reader:
        assert {one.shadow for one in seen(reader)} == {"live", "next"}
        assert books(reader, Scope(shadow="next"))["POST /predict"]["eligible"] == 10


def test_started_again_it_asks_nothing_twice(recorded, capsys):
    store = recorded()
    with StubShadow(doubled) as shadow:
        assert replay("--from", str(store), "--to", f"next={shadow.url}", "--limit", "4") == 0
        assert len(shadow.asked) == 4
        assert replay("--from", str(store), "--to", f"next={shadow.url}") == 0
        assert len(shadow.asked) == 10
    assert len(of_shadow(store, "next")) == 10


def test_what_is_replayed_can_be_chosen(recorded):
    store = recorded()
    with StubShadow(doubled) as shadow:
        words = ("--from", str(store), "--to", f"next={shadow.url}", "--where", "verdict = 'disagree'")
        assert replay(*words) == 0
    assert [row["request_id"] for row in of_shadow(store, "next")] == [
        f"request-{number}" for number in (2, 4, 6, 8, 10)
    ]


def test_what_cannot_be_asked_again_is_left_out_and_told_of(recorded, capsys):
    store = recorded(
        record(1),
        record(2, truncated=True),
        record(3, features="<7 bytes>"),
        record(4, route="POST /models/{name}"),
        record(5, production_outcome="error", production_error_type="500", production_prediction=""),
    )
    with StubShadow(doubled) as shadow:
        assert replay("--from", str(store), "--to", f"next={shadow.url}") == 0
    said = capsys.readouterr().out
    assert "2 exchanges asked of next" in said
    assert "1 left out: cut in the record (SHADOW_RECORD_CHARS)." in said
    assert "1 left out: without JSON in the record." in said
    assert "1 left out: of a route with parameters" in said
    assert [(row["request_id"], row["bucket"]) for row in of_shadow(store, "next")] == [
        ("request-1", "compared"),
        ("request-5", "production_error"),
    ]


def test_a_shadow_with_a_path_is_asked_there_whatever_the_route(recorded):
    store = recorded(record(4, route="POST /models/{name}"))
    with StubShadow(doubled) as shadow:
        assert replay("--from", str(store), "--to", f"next={shadow.url}/v2/predict") == 0
    assert [asked.target for asked in shadow.asked] == ["/v2/predict"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "live=http://127.0.0.1:9"), "the store has live comparisons with 'live' already"),
        (("--to", "nowhere"), "'nowhere' is not a target"),
        (("--to", "n=http://x", "--shadow", "other"), "the store has no shadow 'other'; it has live"),
        (("--to", "n=http://x", "--where", "no sql"), "the question is no SQL"),
        (("--to", "n=http://x", "--where", "1 = 1); DROP TABLE x; SELECT (1"), "only one SELECT"),
        (("--to", "n=http://x", "--where", "nothing = 1"), "nothing"),
    ],
)
def test_a_mistake_gets_a_sentence(recorded, capsys, words, said):
    store = recorded()
    assert replay("--from", str(store), *words) in (1, 4)
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_records_that_hold_a_part_of_the_features_cannot_be_replayed(recorded, capsys, monkeypatch):
    monkeypatch.setenv("SHADOW_FEATURES", "instances")
    assert replay("--from", str(recorded()), "--to", "n=http://127.0.0.1:9") == 1
    assert "records hold a part of each request only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "value"), [("--limit", "0"), ("--rate", "-1"), ("--rate", "x"), ("--limit", "x")]
)
def test_a_wrong_number_is_wrong_usage(word, value, capsys):
    with pytest.raises(SystemExit) as ended:
        replay("--to", "n=http://x", word, value)
    assert ended.value.code == 2
    assert value in capsys.readouterr().err
