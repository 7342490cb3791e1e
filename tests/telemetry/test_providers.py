"""What the `OTEL_*` variables ask for is what happens, and our deadline holds when a collector is dead."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from opentelemetry.trace import NoOpTracer
from otlp_receiver import OTLPReceiver

from shadow_mw.exceptions import SettingsError
from shadow_mw.telemetry.exporters import exporter_names
from shadow_mw.telemetry.providers import open_telemetry, service_name


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


def point_at(monkeypatch, receiver: OTLPReceiver) -> None:
    for name, value in receiver.environment.items():
        monkeypatch.setenv(name, value)


def one_span(telemetry) -> None:
    telemetry.tracer.start_span("one").end()


def test_nothing_is_exported_and_no_thread_runs_unless_asked_for(monkeypatch):
    before = set(threading.enumerate())
    telemetry = open_telemetry(reuse=False)
    assert isinstance(telemetry.tracer, NoOpTracer)
    assert set(threading.enumerate()) <= before
    assert telemetry.flush(1.0)
    telemetry.shutdown(1.0)


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        ({}, [], []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, ["otlp"], ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, [], []),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317"}, ["otlp"], []),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4317"}, [], ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp"], []),
        ({"OTEL_TRACES_EXPORTER": "console, otlp,console"}, ["console", "otlp"], []),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, [], ["otlp"]),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, ["otlp"], []),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, [], []),
        ({"OTEL_SDK_DISABLED": "false", "OTEL_TRACES_EXPORTER": "console"}, ["console"], []),
    ],
)
def test_the_environment_names_the_exporters(monkeypatch, variables, traces, metrics):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert exporter_names("traces") == traces
    assert exporter_names("metrics") == metrics


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"OTEL_TRACES_EXPORTER": "jagger"}, ["OTEL_TRACES_EXPORTER", "'jagger'", "console", "otlp"]),
        ({"OTEL_METRICS_EXPORTER": "statsd"}, ["OTEL_METRICS_EXPORTER", "'statsd'"]),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http"},
            ["OTEL_EXPORTER_OTLP_PROTOCOL", "'http'", "http/protobuf"],
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "'http/json'"],
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, ["traces", "soon"]),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "-1"}, ["OTEL_BSP_"]),
        (
            {"OTEL_METRICS_EXPORTER": "console", "OTEL_METRIC_EXPORT_INTERVAL": "0"},
            ["OTEL_METRIC_EXPORT_INTERVAL"],
        ),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch, variables, words):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        open_telemetry(reuse=False)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("compression", ["", "gzip"])
def test_spans_arrive_with_their_service_and_host(monkeypatch, protocol, compression):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "digits")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    if compression:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
    with OTLPReceiver(protocol) as receiver:
        point_at(monkeypatch, receiver)
        telemetry = open_telemetry(reuse=False)
        one_span(telemetry)
        telemetry.shutdown(10.0)
        resource = receiver.spans("one")[0].resource
    assert resource["service.name"] == "digits"
    assert resource["host.name"] == socket.gethostname()
    assert resource["deployment.environment.name"] == "test"
    assert resource["service.instance.id"]


def test_the_environment_has_the_last_word_on_the_resource(monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=node-7,service.instance.id=pod-1")
    with OTLPReceiver("http/protobuf") as receiver:
        point_at(monkeypatch, receiver)
        telemetry = open_telemetry(reuse=False)
        one_span(telemetry)
        telemetry.shutdown(10.0)
        resource = receiver.spans("one")[0].resource
    assert (resource["host.name"], resource["service.instance.id"]) == ("node-7", "pod-1")


def test_spans_leave_within_moments_by_themselves(monkeypatch):
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    with OTLPReceiver("grpc") as receiver:
        point_at(monkeypatch, receiver)
        telemetry = open_telemetry(reuse=False)
        one_span(telemetry)
        # The SDK's own delay is 5 s.
        assert receiver.wait_for(lambda r: r.spans("one"), 4.0)
        telemetry.shutdown(10.0)


def test_batches_are_small_enough_to_spare_the_app(monkeypatch):
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    sizes = []

    class Counting(OTLPReceiver):
        def take_traces(self, request):
            sizes.append(sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans))
            super().take_traces(request)

    with Counting("grpc") as receiver:
        point_at(monkeypatch, receiver)
        telemetry = open_telemetry(reuse=False)
        for _ in range(300):
            one_span(telemetry)
        telemetry.shutdown(10.0)
        assert len(receiver.spans()) == 300
    assert max(sizes) <= 128


def test_the_size_and_delay_of_batches_can_be_set(monkeypatch):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    with OTLPReceiver("grpc") as receiver:
        point_at(monkeypatch, receiver)
        telemetry = open_telemetry(reuse=False)
        one_span(telemetry)
        one_span(telemetry)
        assert receiver.wait_for(lambda r: len(r.spans()) == 2, 10.0)
        telemetry.shutdown(10.0)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, ""),
        ({"OTEL_SERVICE_NAME": "digits"}, "digits"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=b,service.name=from%20attributes"}, "from attributes"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=x", "OTEL_SERVICE_NAME": "wins"}, "wins"),
    ],
)
def test_service_name(monkeypatch, variables, name):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert service_name() == name


@pytest.fixture(params=["closed", "silent"])
def dead_port(request):
    """A port that refuses, and one that accepts and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "silent":
            listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.fault("collector-away")
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_dead_collector_holds_nobody_up(monkeypatch, dead_port, protocol):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{dead_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    telemetry = open_telemetry(reuse=False)
    telemetry.meter.create_counter("one").add(1)
    one_span(telemetry)

    begun = time.monotonic()
    telemetry.flush(0.2)
    telemetry.shutdown(0.2)
    # The SDK alone takes 10 to 30 s.
    assert time.monotonic() - begun < 5.0
    telemetry.shutdown(0.2)


def test_a_flush_that_is_late_says_so(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
        telemetry = open_telemetry(reuse=False)
        one_span(telemetry)
        assert not telemetry.flush(0.2)
        telemetry.shutdown(0.2)


@pytest.mark.fault("collector-away")
def test_a_process_ends_at_once_beside_a_dead_collector(dead_port):
    code = (
        "from shadow_mw.telemetry.providers import open_telemetry\n"
        "telemetry = open_telemetry(reuse=False)\n"
        "telemetry.tracer.start_span('one').end()\n"
        "telemetry.shutdown(0.2)\n"
    )
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{dead_port}"}
    done = _python(code, endpoint, timeout=9.0)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_the_apps_own_providers_are_used_and_left_running():
    code = """
import sys
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from shadow_mw.telemetry.providers import open_telemetry

memory, reader = InMemorySpanExporter(), InMemoryMetricReader()
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(memory, schedule_delay_millis=60_000))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([reader]))

telemetry = open_telemetry(reuse=True)
telemetry.tracer.start_span("ours").end()
telemetry.meter.create_counter("ours").add(1)
assert not memory.get_finished_spans()
telemetry.shutdown(10.0)
assert [span.name for span in memory.get_finished_spans()] == ["ours"]
assert reader.get_metrics_data().resource_metrics
provider.get_tracer("app").start_span("after").end()
provider.force_flush()
assert [span.name for span in memory.get_finished_spans()] == ["ours", "after"]
assert trace.get_tracer_provider() is provider

aside = open_telemetry(reuse=False)
aside.tracer.start_span("aside").end()
aside.shutdown(10.0)
provider.force_flush()
assert len(memory.get_finished_spans()) == 2
"""
    done = _python(code, {})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_nothing_global_is_set():
    code = """
from opentelemetry import metrics, trace
from shadow_mw.telemetry.providers import open_telemetry
before = trace.get_tracer_provider(), metrics.get_meter_provider()
telemetry = open_telemetry(reuse=True)
telemetry.tracer.start_span("ours").end()
telemetry.flush(5.0)
assert (trace.get_tracer_provider(), metrics.get_meter_provider()) == before
telemetry.shutdown(5.0)
"""
    done = _python(code, {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "console"})
    assert done.returncode == 0, done.stderr
    assert '"name": "ours"' in done.stdout


def _python(code, variables, timeout=60.0):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
