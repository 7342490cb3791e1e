"""What the dashboard tells Prometheus of a store, read by Prometheus's own parser."""

from __future__ import annotations

import time

import pytest
from dashboard_records import ROUTES, SHADOWS, write_day, write_records
from dashboard_server import Visitor
from prometheus_client.parser import text_string_to_metric_families

from shadow_mw.dashboard import dashboard, scrape
from shadow_mw.records import Pulse, Tally
from shadow_mw.telemetry import names

TOKEN = "0123456789abcdef-secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="session", autouse=True)
def _patient_scrape():
    """However slow the machine, the figures are waited for; the test of waiting sets less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scrape, "PATIENCE_SECONDS", 100.0)
        yield


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(text, name, shadow=None):
    """The values of a gauge by the label beside the shadow's name, or the one value that it has."""
    found = {}
    for sample in families(text)[name].samples:
        labels = dict(sample.labels)
        if labels.pop("shadow_mw_shadow_name", None) == shadow:
            found["".join(labels.values())] = sample.value
    return found[""] if set(found) == {""} else found


def test_every_gauge_is_there_by_its_documented_name_and_labels(client):
    found = families(client.get("/metrics").text)
    assert set(found) == {gauge.name for gauge in names.STORE_GAUGES}
    for gauge in names.STORE_GAUGES:
        family = found[gauge.name]
        of_a_shadow = gauge not in (names.STORE_SHADOWS, names.STORE_READ)
        labels = {"shadow_mw_shadow_name"} if of_a_shadow else set()
        labels |= {gauge.label} - {""}
        assert {frozenset(sample.labels) for sample in family.samples} == {frozenset(labels)}, gauge.name
        assert (family.type, family.documentation) == ("gauge", gauge.meaning)


def test_the_figures_are_those_of_the_analysis_and_of_the_gate(client):
    text = client.get("/metrics").text
    assert values(text, "shadow_mw_store_shadows") == len(SHADOWS)
    for shadow in SHADOWS:
        verdict = client.get(f"/api/analysis?shadow={shadow}").json()
        account, agreement = verdict["analysis"]["account"], verdict["analysis"]["agreement"]
        requests = values(text, "shadow_mw_store_requests", shadow)
        assert sum(requests.values()) == account["eligible"]
        assert requests == account["buckets"] | {"unaccounted": account["unaccounted"]}
        compared = values(text, "shadow_mw_store_comparisons", shadow)
        assert compared == {word: agreement[word] for word in ("agree", "disagree", "incomparable")}
        assert values(text, "shadow_mw_store_coverage_ratio", shadow) == account["coverage"]["rate"]
        low = agreement["always"]["low"]
        assert values(text, "shadow_mw_store_agreement_ratio", shadow)["low"] == pytest.approx(low)
        gate = values(text, "shadow_mw_store_gate_status", shadow)
        assert [word for word, value in gate.items() if value] == [verdict["decision"]["verdict"]]
        assert set(gate) == {"promote", "hold", "not enough data"}


def test_signs_of_life_and_the_rate_are_of_now(tmp_path):
    now_us = time.time_ns() // 1000
    pulses = [Pulse(ts_us=now_us - ago, shadow="a", instance=str(ago)) for ago in (0, 3_600_000_000)]
    tally = Tally(
        ts_us=now_us // 60_000_000 * 60_000_000, route=ROUTES[0], shadow="a", counts={"eligible": 660}
    )
    write_records(tmp_path / "store", [*pulses, tally])
    text = Visitor(dashboard(str(tmp_path / "store"))).get("/metrics").text
    assert values(text, "shadow_mw_store_pulse_timestamp_seconds", "a") == pytest.approx(now_us / 1e6)
    assert values(text, "shadow_mw_store_workers", "a") <= 1
    # Ten minutes and what the minute has begun.
    assert 1.0 <= values(text, "shadow_mw_store_eligible_per_second", "a") <= 1.1
    assert values(text, "shadow_mw_store_requests", "a")["unaccounted"] == 660
    # What is not known is left out, and no zero stands in for it.
    assert values(text, "shadow_mw_store_agreement_ratio", "a") == {}
    assert values(text, "shadow_mw_store_comparison_timestamp_seconds", "a") == {}


def test_before_anything_is_mirrored_there_is_no_shadow_and_no_error(tmp_path):
    answer = Visitor(dashboard(str(tmp_path / "none"))).get("/metrics")
    assert (answer.status_code, values(answer.text, "shadow_mw_store_shadows")) == (200, 0)
    assert not (tmp_path / "none").exists()


def test_a_store_that_cannot_be_read_is_a_sentence_and_no_page(tmp_path):
    answer = Visitor(dashboard(f"postgresql://127.0.0.1:1/{tmp_path.name}")).get("/metrics")
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.count("\n") == 1


def test_scraping_often_asks_the_store_once(tmp_path, monkeypatch):
    write_day(tmp_path / "store", 50, end_us=time.time_ns() // 1000)
    asked = []
    make = scrape.make_standings
    monkeypatch.setattr(scrape, "make_standings", lambda *words: asked.append(1) or make(*words))
    visitor = Visitor(dashboard(str(tmp_path / "store")))
    texts = {visitor.get("/metrics").text for _ in range(5)}
    assert (len(asked), len(texts)) == (1, 1)


def test_while_the_first_figures_are_made_prometheus_sees_a_failed_scrape(day, monkeypatch):
    monkeypatch.setattr(scrape, "PATIENCE_SECONDS", 0.0)
    answer = Visitor(dashboard(str(day))).get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert answer.text == "The store is being read for the first time; ask again in a moment.\n"


def test_prometheus_shows_its_token_as_a_bearer(day):
    visitor = Visitor(dashboard(str(day), token=TOKEN), "dashboard:8400", peer="10.0.0.9")
    denied = visitor.get("/metrics")
    assert (denied.status_code, denied.headers["www-authenticate"]) == (401, "Bearer")
    assert "shadow_mw_store" not in denied.text
    answer = visitor.get("/metrics", headers=BEARER)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "set-cookie" not in answer.headers
    # A token in the query is not led away either: a program keeps no cookie.
    assert visitor.get(f"/metrics?token={TOKEN}").status_code == 200


def test_without_a_token_only_this_machine_may_scrape(day):
    assert Visitor(dashboard(str(day)), peer="10.0.0.9").get("/metrics").status_code == 403
    assert Visitor(dashboard(str(day))).get("/metrics").status_code == 200
