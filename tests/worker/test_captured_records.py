"""What records and spans keep of an exchange, as the settings say; judged is the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asgi_driver import chunked, http_scope, run
from otlp_receiver import OTLPReceiver
from stub_shadow import Reply, StubShadow

from shadow_mw import ShadowMiddleware
from shadow_mw.cli import main
from shadow_mw.digests import Digest
from shadow_mw.records import Comparison
from shadow_mw.testing import drain

CANARY = "canary-7f3a"
KEY = "0123456789abcdef-key"
FEATURES = {"country": CANARY, "age": 44, "user": {"email": CANARY}}


def make_app(prediction: Any) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(prediction).encode()})

    return app


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask once; the record, and the texts of all spans."""

    def ask(production: Any, shadow: Any, **keywords: Any) -> tuple[Comparison, str]:
        with OTLPReceiver("http/protobuf") as receiver:
            for name, value in receiver.environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
            with StubShadow(lambda asked: Reply(body=json.dumps(shadow).encode())) as stub:
                app = ShadowMiddleware(
                    make_app(production), targets=stub.url, routes="POST /predict", redact_key=KEY, **keywords
                )
                run(
                    app,
                    http_scope(headers=[(b"content-type", b"application/json")]),
                    chunked(json.dumps(FEATURES).encode()),
                )
                assert drain(30)
            assert receiver.wait_for(lambda one: len(one.spans()) >= 2, 30)
            spans = repr(receiver.spans())
        lines = [
            line
            for segment in (tmp_path / "store" / "hot").glob("*.jsonl")
            for line in segment.read_bytes().splitlines()
            if b'"comparison"' in line[:40]
        ]
        found = [msgspec.json.decode(line, type=Comparison) for line in lines]
        return max(found, key=lambda one: one.ts_us), spans

    return ask


def test_the_verdict_is_made_on_true_values_and_shown_are_hidden_ones(told: Any) -> None:
    record, spans = told({"label": "a", "card": 1}, {"label": "a", "card": 2}, redact="card", compare="exact")
    assert (record.verdict, record.diff_paths) == ("disagree", ("$.card",))
    assert record.production_prediction == record.shadow_prediction == '{"label":"a","card":"[redacted]"}'
    assert '"card":1' not in spans


def test_labels_and_differences_of_what_is_hidden_are_hidden(told: Any) -> None:
    record, _ = told({"species": CANARY}, {"species": "other"}, redact="species=hash", compare="label")
    digest = Digest(KEY)
    assert (record.verdict, record.production_label) == ("disagree", digest(CANARY))
    assert record.shadow_label == digest("other")
    production, shadow = {"species": CANARY, "by": {CANARY: 1}}, {"species": "other", "by": {CANARY: 2}}
    record, _ = told(production, shadow, redact="species, by, country, email", compare="exact")
    assert (record.verdict, record.diff_paths) == ("disagree", ("$.species", "$.by"))
    assert CANARY not in repr(record)


def test_a_prediction_below_what_is_dropped_is_compared_all_the_same(told: Any) -> None:
    record, _ = told(
        {"out": {"label": "a"}}, {"out": {"label": "b"}}, redact="out=drop", prediction="out.label"
    )
    assert (record.verdict, record.production_prediction) == ("disagree", '"[redacted]"')
    assert record.production_label != "a"


@pytest.mark.parametrize("capture", ["hash", "none"])
def test_what_is_captured_less(told: Any, capture: str) -> None:
    record, spans = told({"label": CANARY}, {"label": CANARY}, capture=capture, compare="label")
    assert (record.verdict, record.bucket, record.delta is None) == ("agree", "compared", True)
    assert record.shadow_us > 0
    assert (record.features_kept, record.predictions_kept) == (capture, capture)
    assert CANARY not in repr(record)
    assert CANARY not in spans
    digest = Digest(KEY)
    if capture == "none":
        assert (record.features, record.production_prediction, record.shadow_prediction) == ("", "", "")
        assert (record.segments, record.production_label) == ({}, None)
        return
    assert record.features == digest(FEATURES)
    assert record.production_prediction == record.shadow_prediction == digest({"label": CANARY})
    assert record.segments == {"country": digest(CANARY), "age": digest("20 to 50")}
    assert record.production_label == digest(CANARY)


def test_spans_and_records_are_captured_apart(told: Any) -> None:
    capture = "spans=none, records.features=hash, records.predictions=full"
    record, spans = told({"label": CANARY}, {"label": CANARY}, capture=capture)
    assert CANARY not in spans
    assert record.production_prediction == f'{{"label":"{CANARY}"}}'
    assert record.features == Digest(KEY)(FEATURES)
    record, spans = told({"label": CANARY}, {"label": CANARY}, capture="records=none")
    assert CANARY in spans
    assert CANARY not in repr(record)


def careless(production: Any, shadow: Any) -> bool:
    raise ValueError(f"cannot judge {production['card']!r} and {shadow}")


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        (
            {"redact": "card"},
            "the comparator raised ValueError: cannot judge '[redacted]' and {'card': '[redacted]'}",
        ),
        ({"capture": "records=none"}, ""),
    ],
)
def test_what_a_comparator_says_of_hidden_values_is_hidden(told: Any, keywords: Any, reason: str) -> None:
    compare = f"python:{__name__}:careless"
    record, _ = told({"card": CANARY}, {"card": CANARY}, compare=compare, **keywords)
    assert (record.verdict, record.reason) == ("incomparable", reason)
    assert CANARY not in record.reason


def test_what_a_model_says_of_hidden_values_is_hidden(tmp_path: Path) -> None:
    def model(features: Any) -> Any:
        raise KeyError(f"no such person: {features['user']['email']}, {features['age']} years old, 441")

    app = ShadowMiddleware(
        make_app({"x": 1}), shadow=model, routes="POST /predict", redact="email, user, age", redact_key=KEY
    )
    body = json.dumps(FEATURES).encode()
    run(app, http_scope(headers=[(b"content-type", b"application/json")]), chunked(body))
    assert drain(30)
    [line] = [
        line
        for file in (tmp_path / "store" / "hot").glob("*.jsonl")
        for line in file.read_text().splitlines()
        if '"comparison"' in line
    ]
    assert "no such person: [redacted], [redacted] years old, 441" in json.loads(line)["error"]


def test_a_replay_of_what_was_not_kept_says_so(told: Any, tmp_path: Path, capsys: Any) -> None:
    told({"label": "a"}, {"label": "a"}, capture="records.features=none")
    with StubShadow() as again:
        words = ["replay", "--from", str(tmp_path / "store"), "--to", f"next={again.url}"]
        assert main(words) == 1
    said = capsys.readouterr()
    assert "1 left out: without features in the record (SHADOW_CAPTURE)." in said.out
    assert "nothing could be replayed: these records do not hold what was asked" in said.err
    assert again.asked == []


def test_truths_meet_hashed_labels(told: Any, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    record, _ = told({"label": "cat"}, {"label": "dog"}, capture="records.predictions=hash", compare="label")
    file = tmp_path / "truths.csv"
    file.write_text(f"request_id,truth\n{record.request_id},cat\n")
    store = ["--store", str(tmp_path / "store")]
    assert main(["labels", str(file), *store]) == 0
    assert main(["report", *store, "--json"]) == 0
    assert '"truth":"cat"' not in capsys.readouterr().out.replace(" ", "")
    monkeypatch.setenv("SHADOW_CAPTURE", "records.predictions=hash")
    monkeypatch.setenv("SHADOW_REDACT_KEY", KEY)
    assert main(["labels", str(file), *store]) == 0
    query = "SELECT truth = production_label AS ok FROM comparisons JOIN truths USING (request_id) ORDER BY 1"
    assert main(["sql", query, *store, "--csv"]) == 0
    assert capsys.readouterr().out.split()[-2:] == ["false", "true"]
