"""docs/queues.md: what it has for machines to read is what the code knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadow_mw.cli import make_parser
from shadow_mw.monitor import monitor_app
from shadow_mw.queues import kafka_inbox
from shadow_mw.queues.kafka_options import consumer_options, producer_options
from shadow_mw.records import BUCKETS
from shadow_mw.settings import Settings, variable
from shadow_mw.snapshots import Statistics
from shadow_mw.telemetry import names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "queues.md").read_text()


def test_the_deployment_runs_a_worker_that_is_probed_where_it_answers() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    pod = yaml.safe_load(text)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert make_parser().parse_args(container["command"][1:]).run
    given = {one["name"]: one.get("value") for one in container["env"]}
    assert set(given) <= {variable(name) for name in Settings.model_fields}
    assert pod["terminationGracePeriodSeconds"] == float(given["SHADOW_DRAIN_SECONDS"]) + 10
    (port,) = container["ports"]
    assert given["SHADOW_WORKER_LISTEN"].endswith(f":{port['containerPort']}")
    app = monitor_app(snapshot=Statistics, problem=str, exposition=lambda: (b"", ""))
    paths = {getattr(route, "path", "") for route in app.routes}
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] in paths
        assert container[probe]["httpGet"]["port"] == port["name"]


def test_the_alerts_ask_for_metrics_and_words_that_there_are() -> None:
    table = PAGE.split("| alert |", 1)[1].split("\n\n", 1)[0]
    metrics = set(re.findall(r"\b(shadow_mw_\w+?)(?:_total)?(?=[){\[])", table))
    known = {one.name.replace(".", "_") for one in names.METRICS}
    assert metrics == {"shadow_mw_queue_lag", "shadow_mw_circuit_status", "shadow_mw_requests"}
    assert metrics <= known
    labels = set(re.findall(r"\{(\w+)=", table))
    assert labels == {one.replace(".", "_") for one in (names.CIRCUIT_STATE, names.DECISION)}
    (decisions,) = re.findall(r'decision=~"([^"]*)"', table)
    assert set(decisions.split("\\|")) <= set(BUCKETS)


def test_the_options_of_kafka_are_the_ones_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = producer_options("b:9092", {})

    def noted(*arguments: Any) -> dict[str, Any]:
        options = consumer_options(*arguments)
        told.update(options)
        return options

    monkeypatch.setattr(kafka_inbox, "consumer_options", noted)
    kafka_inbox.KafkaInbox("kafka://b:9092/TOPIC", drain_seconds=1)
    table = PAGE.split("| option | default | why |", 1)[1].split("\n\n", 1)[0]
    for row in table.splitlines()[2:]:
        options, defaults = (re.findall(r"`([^`]+)`", cell) for cell in row.split("|")[1:3])
        for option, default in zip(options, defaults, strict=True):
            whole = option.replace("…", "queue.buffering.max.")
            assert told[whole] == default, option


def test_the_permissions_are_those_of_the_example() -> None:
    heading = "| on | the app's hosts | workers |"
    example = (
        (ROOT / "examples" / "sqs" / "README.md").read_text().replace("| on | app's", "| on | the app's")
    )
    assert PAGE.split(heading, 1)[1].split("\n\n", 1)[0] == example.split(heading, 1)[1].split("\n\n", 1)[0]
