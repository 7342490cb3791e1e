"""Metrics as a collector gets them, over real gRPC and real HTTP."""

from __future__ import annotations

import math

import pytest
from metric_sources import COUNTS, a_comparison, a_snapshot
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NoOpTracerProvider
from otlp_receiver import OTLPReceiver, Point

from shadow_mw.records import BUCKETS, SKIPS, Comparison
from shadow_mw.snapshots import Statistics
from shadow_mw.telemetry.metrics import Metrics
from shadow_mw.telemetry.names import METRIC_ATTRIBUTES, METRICS
from shadow_mw.telemetry.providers import Provider, Telemetry, open_telemetry


@pytest.fixture(params=["grpc", "http/protobuf"])
def receiver(request, monkeypatch):
    with OTLPReceiver(request.param) as receiver:
        for name, value in receiver.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
        yield receiver


def exported(receiver, *comparisons: Comparison, snapshot=a_snapshot) -> list[Point]:
    telemetry = open_telemetry(reuse=False)
    metrics = Metrics(telemetry.meter, snapshot)
    for comparison in comparisons:
        metrics.observe(comparison)
    telemetry.shutdown(10.0)
    return receiver.metrics()


def named(points, name, *keys) -> dict:
    """The values of one metric by the values of these attributes."""
    return {tuple(p.attributes[key] for key in keys): p.value for p in points if p.name == name}


def test_all_metrics_arrive_with_their_units_and_no_more(receiver):
    points = exported(receiver, a_comparison(), snapshot=lambda: a_snapshot(lag=12))
    assert {(point.name, point.unit) for point in points} == {(m.name, m.unit) for m in METRICS}
    for point in points:
        assert set(point.attributes) <= set(METRIC_ATTRIBUTES)
        if point.name not in ("shadow_mw.queue.lag", "shadow_mw.sampling.share"):
            assert point.attributes["shadow_mw.shadow.name"] == "forest"


def test_counts_are_those_of_the_books(receiver):
    points = exported(receiver)
    requests = named(points, "shadow_mw.requests", "shadow_mw.decision")
    assert requests == {
        ("mirrored",): 80,
        ("circuit_open",): 20,
        ("queue_full",): 10,
        ("too_large",): 2,
        ("worker_lost",): 3,
        ("not_sampled",): 900,
    }
    assert sum(requests.values()) == COUNTS["eligible"] + COUNTS["not_sampled"]
    verdicts = named(points, "shadow_mw.comparisons", "shadow_mw.verdict")
    assert verdicts == {("agree",): 50, ("disagree",): 10, ("incomparable",): 5}
    assert named(points, "shadow_mw.records.dropped", "http.route") == {("/predict",): 7}
    counters = [point for point in points if point.name in ("shadow_mw.requests", "shadow_mw.comparisons")]
    assert all(point.kind == "sum" and point.is_monotonic for point in counters)


def test_every_word_of_the_books_is_a_decision(receiver):
    points = exported(receiver, snapshot=lambda: a_snapshot(dict.fromkeys((*BUCKETS, *SKIPS), 1)))
    assert sum(named(points, "shadow_mw.requests", "shadow_mw.decision").values()) == len(BUCKETS + SKIPS)


def test_levels_and_circuit(receiver):
    points = exported(receiver)
    assert named(points, "shadow_mw.pool.active", "shadow_mw.shadow.name") == {("forest",): 3}
    assert named(points, "shadow_mw.pool.limit", "shadow_mw.shadow.name") == {("forest",): 8}
    states = named(points, "shadow_mw.circuit.status", "shadow_mw.circuit.state")
    assert states == {("closed",): 0, ("open",): 0, ("half-open",): 1}


def test_the_lag_is_told_where_it_is_known(receiver):
    points = exported(receiver, snapshot=lambda: a_snapshot(lag=0))
    assert [(p.value, p.attributes) for p in points if p.name == "shadow_mw.queue.lag"] == [(0, {})]


def test_durations_have_the_buckets_of_http(receiver):
    points = exported(receiver, a_comparison(), a_comparison())
    durations = [point for point in points if point.name == "shadow_mw.predict.duration"]
    assert {point.attributes["shadow_mw.role"]: point.count for point in durations} == {
        "production": 2,
        "shadow": 2,
    }
    assert named(points, "shadow_mw.predict.duration", "shadow_mw.role") == {
        ("production",): pytest.approx(0.5),
        ("shadow",): pytest.approx(0.16),
    }
    assert {point.bounds for point in durations} == {
        (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    }


def test_failures_stand_apart_and_an_open_circuit_took_no_time(receiver):
    points = exported(
        receiver,
        a_comparison(outcome="timeout", error_type="ShadowTimeout", delta=None),
        a_comparison(outcome="circuit_open", error_type="CircuitOpen", shadow_us=0, delta=math.nan),
        a_comparison(production_outcome="error", production_error_type="500", delta=None),
    )
    found = {
        (point.attributes["shadow_mw.role"], point.attributes.get("error.type")): point.count
        for point in points
        if point.name == "shadow_mw.predict.duration"
    }
    assert found == {
        ("production", None): 2,
        ("production", "500"): 1,
        ("shadow", None): 1,
        ("shadow", "ShadowTimeout"): 1,
    }
    assert not [point for point in points if point.name == "shadow_mw.delta"]


def test_no_id_and_no_prediction_is_on_a_metric(receiver):
    points = exported(receiver, a_comparison())
    told = repr([point.attributes for point in points])
    assert "r-42" not in told
    assert "secret" not in told


def readings(reader: InMemoryMetricReader) -> set[str]:
    data = reader.get_metrics_data()
    if data is None:
        return set()
    metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
    return {metric.name for metric in metrics if list(metric.data.data_points)}


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def meter(reader):
    provider = MeterProvider([reader], shutdown_on_exit=False)
    yield provider.get_meter("test")
    provider.shutdown()


def test_after_close_nothing_is_observed(reader, meter):
    metrics = Metrics(meter, a_snapshot)
    assert "shadow_mw.requests" in readings(reader)
    metrics.close()
    metrics.observe(a_comparison())
    assert readings(reader) == set()


def test_statistics_that_raise_are_told_once_and_break_no_collection(reader, meter, caplog):
    def broken() -> Statistics:
        raise RuntimeError("no statistics")

    metrics = Metrics(meter, broken)
    metrics.observe(a_comparison())
    for _ in range(2):
        assert readings(reader) == {
            "shadow_mw.predict.duration",
            "shadow_mw.queue.duration",
            "shadow_mw.delta",
        }
    assert len(caplog.records) == 1


def test_each_of_two_mirrors_is_observed_under_the_apps_own_provider(reader):
    provider = MeterProvider([reader], shutdown_on_exit=False)
    for _ in range(2):
        telemetry = Telemetry(Provider(NoOpTracerProvider(), is_ours=True), Provider(provider, is_ours=False))
        metrics = Metrics(telemetry.meter, a_snapshot)
        telemetry.shutdown(5.0)
        assert "shadow_mw.requests" in readings(reader)
        metrics.close()
        assert readings(reader) == set()
    provider.shutdown()


def test_a_comparison_that_is_odd_raises_nothing(meter):
    Metrics(meter, a_snapshot).observe(a_comparison(shadow_us="soon"))
