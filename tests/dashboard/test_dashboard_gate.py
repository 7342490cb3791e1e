"""The gate over HTTP: what Argo Rollouts reads and what Flagger waits for."""

from __future__ import annotations

import pytest
from dashboard_server import Visitor

from shadow_mw.dashboard import dashboard

EASY = {"min_agreement": "0.5", "min_coverage": "0.5", "max_latency_ratio": "3", "max_error_increase": "0.5"}
EASY |= {"max_segment_disagreement": "0.9"}


def test_argo_reads_a_verdict_and_a_result(client):
    answer = client.get("/api/gate", params={"shadow": "forest-v8", **EASY})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["verdict"], found["result"]) == ("promote", True)
    assert found["sentence"] == "Promote forest-v8: all 6 criteria hold."
    assert {criterion["status"] for criterion in found["criteria"]} == {"pass"}


def test_argo_gets_200_for_a_hold_too_because_it_reads_the_body(client):
    answer = client.get("/api/gate", params={"shadow": "linear-v3", **EASY, "min_agreement": "0.999"})
    assert answer.status_code == 200
    assert (answer.json()["verdict"], answer.json()["result"]) == ("hold", False)


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, 200), ({"min_agreement": "0.999"}, 409), ({"min_samples": "1000000"}, 425)],
    ids=["promote", "hold", "not enough data"],
)
def test_flagger_gets_a_status(client, changes, status):
    hook = {
        "name": "scoring",
        "namespace": "prod",
        "phase": "Progressing",
        "checksum": "85d557f47b",
        "metadata": {"shadow": "linear-v3", **EASY, **changes},
    }
    assert client.request("POST", "/api/gate", json=hook).status_code == status
    assert client.request("POST", "/api/gate", params=hook["metadata"]).status_code == status


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"metadata": null}', b'{"metadata": {"a": [1]}}', b"\xff"]
)
def test_a_body_that_is_no_webhook_is_not_an_error_of_ours(client, body):
    assert client.request("POST", "/api/gate?shadow=forest-v8", content=body).status_code in (200, 409, 425)


def test_a_second_window_must_hold_too(client):
    answer = client.get(
        "/api/gate", params={"shadow": "forest-v8", **EASY, "last": "1h", "min_samples": "500"}
    )
    found = {criterion["name"]: criterion["status"] for criterion in answer.json()["criteria"]}
    assert found["samples"] == "pass"
    assert found["recent samples"] == "unknown"
    assert answer.json()["verdict"] == "not enough data"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("shadow=forest-v8&min_agreement=2", "SHADOW_GATE_MIN_AGREEMENT"),
        ("shadow=forest-v8&min-samples=many", "SHADOW_GATE_MIN_SAMPLES"),
        ("shadow=forest-v8&last=soon", "Last is"),
        ("shadow=nobody", "no shadow 'nobody'"),
        ("", "name one of forest-v8, linear-v3"),
    ],
)
def test_a_wrong_question_is_answered_with_a_sentence(client, query, said):
    answer = client.get(f"/api/gate?{query}")
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_the_limits_of_the_dashboard_are_the_defaults(day):
    strict = Visitor(dashboard(str(day), gate_min_coverage=0.9999)).get("/api/gate?shadow=forest-v8").json()
    [coverage] = [criterion for criterion in strict["criteria"] if criterion["name"] == "coverage"]
    assert (coverage["status"], coverage["limit"]) == ("fail", 0.9999)


def test_limits_come_from_the_environment_too(day, monkeypatch):
    monkeypatch.setenv("SHADOW_GATE_MIN_AGREEMENT", "0.5")
    found = Visitor(dashboard(str(day))).get("/api/gate?shadow=forest-v8").json()
    [agreement] = [criterion for criterion in found["criteria"] if criterion["name"] == "agreement"]
    assert agreement["limit"] == 0.5
