"""The page that Prometheus scrapes, read by Prometheus's own parser."""

from __future__ import annotations

import inspect
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import opentelemetry.exporter.prometheus as exporter
import pytest
from metric_sources import COUNTS, a_comparison, a_snapshot
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from otlp_receiver import OTLPReceiver
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from shadow_mw.exceptions import MissingExtraError
from shadow_mw.telemetry.metrics import Metrics
from shadow_mw.telemetry.prometheus import PrometheusPage
from shadow_mw.telemetry.providers import open_telemetry

own_registry = pytest.mark.skipif(
    "registry" not in inspect.signature(exporter.PrometheusMetricReader).parameters,
    reason="this exporter knows the default registry alone; "
    "to run this: pip install --upgrade opentelemetry-exporter-prometheus",
)
LABELS = {"shadow_mw_shadow_name": "forest", "http_route": "/predict"}


@pytest.fixture
def page():
    return PrometheusPage("SHADOW_WORKER_LISTEN")


@pytest.fixture
def telemetry(page):
    telemetry = open_telemetry(reuse=True, readers=[page.reader])
    yield telemetry
    telemetry.shutdown(10.0)


@pytest.fixture
def metrics(telemetry):
    return Metrics(telemetry.meter, lambda: a_snapshot(lag=1234))


def families(page):
    text, _ = page.text()
    found = list(text_string_to_metric_families(text.decode()))
    names = [family.name for family in found]
    assert len(set(names)) == len(names)
    return {family.name: family for family in found}


def samples(page, name):
    """The values of one sample's name by its labels, the scope's left out; none may come twice."""
    found = {}
    for family in families(page).values():
        for sample in family.samples:
            if sample.name == name:
                labels = {key: value for key, value in sample.labels.items() if not key.startswith("otel_")}
                assert frozenset(labels.items()) not in found
                found[frozenset(labels.items())] = sample.value
    return found


def one(page, name, **labels):
    return samples(page, name)[frozenset({**LABELS, **labels}.items())]


@own_registry
def test_all_metrics_are_there_by_the_names_of_prometheus(page, metrics):
    metrics.observe(a_comparison())
    # By the specification a unit of 1 may add `ratio` to a name; exporters differ in it.
    assert {name.removesuffix("_ratio"): family.type for name, family in families(page).items()} == {
        "target_info": "gauge",
        "shadow_mw_requests": "counter",
        "shadow_mw_comparisons": "counter",
        "shadow_mw_records_dropped": "counter",
        "shadow_mw_predict_duration_seconds": "histogram",
        "shadow_mw_queue_duration_seconds": "histogram",
        "shadow_mw_delta": "histogram",
        "shadow_mw_queue_lag": "gauge",
        "shadow_mw_sampling_share": "gauge",
        "shadow_mw_pool_active": "gauge",
        "shadow_mw_pool_limit": "gauge",
        "shadow_mw_circuit_status": "gauge",
    }


def test_the_figures_are_those_of_the_snapshot_at_the_scrape(page, telemetry):
    counts = dict(COUNTS)
    metrics = Metrics(telemetry.meter, lambda: a_snapshot(dict(counts), lag=5))
    assert one(page, "shadow_mw_comparisons_total", shadow_mw_verdict="agree") == 50
    counts["agree"] = 51
    assert one(page, "shadow_mw_comparisons_total", shadow_mw_verdict="agree") == 51
    assert one(page, "shadow_mw_requests_total", shadow_mw_decision="mirrored") == 80
    assert samples(page, "shadow_mw_queue_lag") == {frozenset(): 5}
    metrics.observe(a_comparison())
    metrics.observe(a_comparison())
    assert one(page, "shadow_mw_predict_duration_seconds_count", shadow_mw_role="shadow") == 2
    assert one(page, "shadow_mw_predict_duration_seconds_bucket", shadow_mw_role="shadow", le="0.1") == 2
    assert one(page, "shadow_mw_predict_duration_seconds_bucket", shadow_mw_role="shadow", le="0.075") == 0


def test_where_no_broker_is_known_there_is_no_lag(page, telemetry):
    metrics = Metrics(telemetry.meter, a_snapshot)
    assert "shadow_mw_queue_lag" not in families(page)
    metrics.close()


def test_no_id_and_no_prediction_is_on_the_page(page, metrics):
    metrics.observe(a_comparison(production_label="secret", shadow_label="secret"))
    text = page.text()[0].decode()
    assert "r-42" not in text
    assert "secret" not in text


def test_the_content_type_is_prometheus_own_text(page, metrics):
    assert page.text()[1].startswith("text/plain; version=")


def test_a_flush_between_two_scrapes_repeats_no_sample(page, telemetry, metrics):
    for _ in range(3):
        assert telemetry.flush(10.0)
    assert samples(page, "shadow_mw_queue_lag") == {frozenset(): 1234}


@own_registry
def test_scrapes_at_once_repeat_no_sample(page, metrics):
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: page.text()[0], range(40)))
    assert {text.count(b"\nshadow_mw_queue_lag{") for text in texts} == {1}


@own_registry
def test_after_the_end_the_page_is_empty(page, telemetry, metrics):
    telemetry.shutdown(10.0)
    assert page.text()[0] == b""


@own_registry
def test_the_page_shows_this_mirror_alone(page, metrics):
    other = PrometheusPage("SHADOW_WORKER_LISTEN")
    telemetry = open_telemetry(reuse=True, readers=[other.reader])
    Metrics(telemetry.meter, a_snapshot)
    assert "shadow_mw_queue_lag" in families(page)
    assert "shadow_mw_queue_lag" not in families(other)
    assert "python_info" not in families(page)
    assert not [family for family in REGISTRY.collect() if family.name.startswith("shadow_mw")]
    telemetry.shutdown(10.0)


@own_registry
def test_what_otel_variables_ask_for_goes_out_all_the_same(page, monkeypatch):
    with OTLPReceiver("http/protobuf") as receiver:
        for name, value in receiver.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
        telemetry = open_telemetry(reuse=True, readers=[page.reader])
        metrics = Metrics(telemetry.meter, a_snapshot)
        metrics.observe(a_comparison())
        assert one(page, "shadow_mw_predict_duration_seconds_count", shadow_mw_role="shadow") == 1
        telemetry.shutdown(10.0)
        assert "shadow_mw.requests" in {point.name for point in receiver.metrics()}


def test_without_otel_variables_nothing_leaves_and_no_thread_runs(page):
    before = set(threading.enumerate())
    telemetry = open_telemetry(reuse=True, readers=[page.reader])
    assert set(threading.enumerate()) <= before
    telemetry.shutdown(10.0)
    assert repr(telemetry).endswith("metrics=Provider(own, []))")


def test_a_provider_of_the_apps_own_is_not_ours_to_read(page, monkeypatch):
    apps = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.metrics.get_meter_provider", lambda: apps)
    assert "metrics=Provider(app" in repr(open_telemetry(reuse=True))
    telemetry = open_telemetry(reuse=True, readers=[page.reader])
    assert "metrics=Provider(own" in repr(telemetry)
    telemetry.shutdown(10.0)
    apps.shutdown()


@own_registry
def test_an_exporter_that_takes_no_registry_gets_the_default_one(monkeypatch):
    class Older(exporter.PrometheusMetricReader):
        def __init__(self, disable_target_info: bool = False) -> None:
            super().__init__(disable_target_info)

    monkeypatch.setattr(exporter, "PrometheusMetricReader", Older)
    page = PrometheusPage("SHADOW_WORKER_LISTEN")
    telemetry = open_telemetry(reuse=True, readers=[page.reader])
    Metrics(telemetry.meter, lambda: a_snapshot(lag=8))
    telemetry.flush(10.0)
    assert samples(page, "shadow_mw_queue_lag") == {frozenset(): 8}
    telemetry.shutdown(10.0)
    assert "shadow_mw_queue_lag" not in families(page)


@pytest.mark.parametrize("module", ["opentelemetry.exporter.prometheus", "prometheus_client"])
def test_without_the_extra_the_command_is_named(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as error:
        PrometheusPage("SHADOW_WORKER_LISTEN")
    assert str(error.value) == (
        "SHADOW_WORKER_LISTEN needs an extra that is not installed: pip install 'shadow-mw[worker]'"
    )
