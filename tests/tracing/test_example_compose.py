"""What examples/compose gives a Collector and Tempo, tried by a Collector and by Grafana's grammar."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from broker import free_ports
from jaeger import HOW, program
from process_fixtures import make_app, runtime, shadow, start
from process_tools import Runtime, until
from prometheus_client.parser import text_string_to_metric_families
from promql import DASHBOARDS, EXAMPLES, expressions, metrics, targets
from stub_shadow import Reply, StubShadow
from test_traces_page import errors

from shadow_mw.telemetry import names

__all__ = ["make_app", "runtime", "shadow", "start"]


@pytest.fixture
def collector() -> str:
    """A Jaeger is a Collector with parts of its own, and takes a Collector's configuration."""
    found = program()
    if found is None:
        pytest.skip(HOW)
    return str(found)


def test_the_collectors_configuration_is_one(collector: str) -> None:
    words = [collector, "validate", "--config", str(EXAMPLES / "compose" / "collector.yml")]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_the_dashboards_queries_to_tempo_parse_and_name_our_attributes() -> None:
    asked = [target["query"] for path in DASHBOARDS for target in targets(path, "tempo")]
    assert asked
    assert [bad for bad in errors(asked) if bad] == []
    assert set(re.findall(r"span\.([a-z_.]+)", " ".join(asked))) <= set(names.SPAN_ATTRIBUTES)


@pytest.fixture
def collected(collector: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Where a Collector takes metrics over OTLP, and where it shows them to Prometheus."""
    taken, shown = free_ports(2)
    config = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{taken}"}}}},
        "exporters": {"prometheus": {"endpoint": f"127.0.0.1:{shown}"}},
        "service": {
            "pipelines": {"metrics": {"receivers": ["otlp"], "exporters": ["prometheus"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    file = tmp_path / "collector.yml"
    file.write_text(yaml.safe_dump(config))
    with (tmp_path / "collector.log").open("wb") as log:
        process = subprocess.Popen([collector, "--config", str(file)], stdout=log, stderr=log)
    yield f"http://127.0.0.1:{taken}/v1/metrics", f"http://127.0.0.1:{shown}/metrics"
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def page(url: str) -> dict[str, set[str]]:
    """The labels of every sample on a page for Prometheus; nothing while there is none."""
    labels: dict[str, set[str]] = {}
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def test_the_rules_find_what_came_over_otlp(
    collected: tuple[str, str],
    start: Callable[..., Any],
    make_app: Callable[..., Any],
    runtime: Runtime,
    shadow: StubShadow,
) -> None:
    endpoint, shown = collected
    queue = f"unix://{runtime.path}/m.sock"
    answers = iter([Reply(body=b"[1]"), Reply(body=b"[2]")])
    shadow.answer = lambda asked: next(answers, Reply(status=503))
    start(
        *("-m", "shadow_mw", "worker"),
        SHADOW_QUEUE=queue,
        SHADOW_TARGETS=shadow.url,
        SHADOW_COMPARE="close",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=endpoint,
        OTEL_EXPORTER_OTLP_METRICS_PROTOCOL="http/protobuf",
        OTEL_METRIC_EXPORT_INTERVAL="300",
    )
    app = make_app(shadow.url, queue=queue, compare="close")
    app.ask(times=4)

    def failed() -> dict[str, set[str]]:
        labels = page(shown)
        return labels if "error_type" in labels.get("shadow_mw_predict_duration_seconds_count", ()) else {}

    labels = until(failed, lambda: json.dumps(sorted(page(shown))))
    # Here a gauge of unit 1 ends so, other than on a worker's own page.
    assert {name for name in labels if name.endswith("_ratio")} == {
        "shadow_mw_circuit_status_ratio",
        "shadow_mw_sampling_share_ratio",
    }
    labels = {name.removesuffix("_ratio"): found for name, found in labels.items()}
    for expression in expressions():
        for named in metrics(expression):
            if named.metric != "shadow_mw_queue_lag" and not named.metric.startswith("shadow_mw_store_"):
                assert named.metric in labels, expression
                assert set(named.labels) <= labels[named.metric] | {"job"}, expression
