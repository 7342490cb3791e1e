"""Spans as a collector gets them, over real gRPC and real HTTP."""

from __future__ import annotations

import pytest
from otlp_receiver import Link, OTLPReceiver, Span

from shadow_mw.records import CapturedRequest, CapturedResponse, Comparison
from shadow_mw.telemetry.providers import open_telemetry
from shadow_mw.telemetry.spans import Tracing

TRACE, SERVER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SERVER_SPAN}-01"
T0_US = 1_700_000_000_000_000


def a_request(**changes: object) -> CapturedRequest:
    fields = {
        "exchange_id": "e1",
        "request_id": "r-42",
        "ts_us": T0_US,
        "method": "POST",
        "route": "/models/{name}",
        "path": "/models/digits",
        "traceparent": TRACEPARENT,
        "sample_rate": 0.5,
    }
    return CapturedRequest(**{**fields, **changes})


def a_response(**changes: object) -> CapturedResponse:
    return CapturedResponse(**{"exchange_id": "e1", "seconds": 0.25, "status": 200, **changes})


def a_comparison(**changes: object) -> Comparison:
    fields = {
        "record_id": "c1",
        "request_id": "r-42",
        "ts_us": T0_US,
        "route": "/models/{name}",
        "method": "POST",
        "shadow": "forest",
        "bucket": "compared",
        "outcome": "answered",
        "production_us": 250_000,
        "shadow_us": 80_000,
        "queue_us": 10_000,
        "comparator": "close",
        "verdict": "disagree",
        "delta": 0.5,
        "production_prediction": '{"label":3}',
        "shadow_prediction": '{"label":8}',
        "production_status": 200,
        "shadow_status": 200,
    }
    return Comparison(**{**fields, **changes})


@pytest.fixture(params=["grpc", "http/protobuf"])
def receiver(request, monkeypatch):
    with OTLPReceiver(request.param) as receiver:
        for name, value in receiver.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
        yield receiver


@pytest.fixture
def telemetry(receiver):
    telemetry = open_telemetry(reuse=False)
    yield telemetry
    telemetry.shutdown(10.0)


def delivered(receiver: OTLPReceiver, telemetry, number: int) -> dict[str, Span]:
    assert telemetry.flush(10.0)
    assert receiver.wait_for(lambda r: len(r.spans()) >= number)
    assert len(receiver.spans()) == number
    return {span.name: span for span in receiver.spans()}


def test_both_predictions_are_siblings_under_the_server_span(receiver, telemetry):
    exchange = Tracing(telemetry.tracer, queue="inline:", linked=False).begin(a_request())
    exchange.end_production(a_response(), '{"label":3}')
    shadow = exchange.ask("forest", "http://127.0.0.1:8001/models/digits?key=secret", waited_seconds=0.01)
    shadow.end(a_comparison())

    spans = delivered(receiver, telemetry, 2)
    production, asked = spans["predict production"], spans["predict shadow"]
    assert (production.trace_id, asked.trace_id) == (TRACE, TRACE)
    assert (production.parent_span_id, asked.parent_span_id) == (SERVER_SPAN, SERVER_SPAN)
    assert (production.kind, asked.kind) == ("INTERNAL", "CLIENT")
    assert asked.links == (Link(TRACE, production.span_id),)
    assert (exchange.trace_id, exchange.production_span_id) == (TRACE, production.span_id)
    assert shadow.span_id == asked.span_id
