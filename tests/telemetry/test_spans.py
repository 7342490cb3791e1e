"""Spans as a collector gets them, over real gRPC and real HTTP."""

from __future__ import annotations

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import NoOpTracer
from otlp_receiver import Link, OTLPReceiver, Span

from shadow_mw.records import CapturedRequest, CapturedResponse, Comparison
from shadow_mw.telemetry.context import is_marked
from shadow_mw.telemetry.names import SPAN_ATTRIBUTES
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


def tracing(telemetry, *, linked: bool = False) -> Tracing:
    return Tracing(telemetry.tracer, queue="inline:", linked=linked)


def ask(exchange, shadow: str = "forest"):
    url = "http://user:pw@127.0.0.1:8001/models/digits?key=secret#top"
    return exchange.ask(shadow, url, waited_seconds=0.01)


def test_both_predictions_are_siblings_under_the_server_span(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request())
    exchange.end_production(a_response(), '{"label":3}')
    shadow = ask(exchange)
    shadow.end(a_comparison())

    spans = delivered(receiver, telemetry, 2)
    production, asked = spans["predict production"], spans["predict shadow"]
    assert (production.trace_id, asked.trace_id) == (TRACE, TRACE)
    assert (production.parent_span_id, asked.parent_span_id) == (SERVER_SPAN, SERVER_SPAN)
    assert (production.kind, asked.kind) == ("INTERNAL", "CLIENT")
    assert production.links == ()
    assert asked.links == (Link(TRACE, production.span_id),)
    assert (exchange.trace_id, exchange.production_span_id) == (TRACE, production.span_id)
    assert shadow.span_id == asked.span_id


def test_times_are_those_of_the_exchange(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request())
    exchange.end_production(a_response(seconds=0.25), "")
    ask(exchange).end(a_comparison(shadow_us=80_000))

    spans = delivered(receiver, telemetry, 2)
    production, asked = spans["predict production"], spans["predict shadow"]
    assert production.start_ns == T0_US * 1000
    assert production.end_ns - production.start_ns == 250_000_000
    assert asked.end_ns - asked.start_ns == 80_000_000


def test_each_span_tells_its_story_by_itself(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request())
    exchange.end_production(a_response(), '{"label":3}')
    ask(exchange).end(a_comparison())

    spans = delivered(receiver, telemetry, 2)
    common = {
        "request.id": "r-42",
        "shadow_mw.mode": "async",
        "shadow_mw.queue": "inline:",
        "shadow_mw.sample_rate": 0.5,
        "http.request.method": "POST",
        "http.route": "/models/{name}",
        "http.response.status_code": 200,
    }
    assert spans["predict production"].attributes == {
        **common,
        "shadow_mw.role": "production",
        "shadow_mw.prediction": '{"label":3}',
    }
    assert spans["predict shadow"].attributes == {
        **common,
        "shadow_mw.role": "shadow",
        "shadow_mw.shadow.name": "forest",
        "shadow_mw.queue.duration": 0.01,
        "shadow_mw.prediction": '{"label":8}',
        "shadow_mw.production.prediction": '{"label":3}',
        "shadow_mw.production.duration": 0.25,
        "shadow_mw.outcome": "answered",
        "shadow_mw.verdict": "disagree",
        "shadow_mw.delta": 0.5,
        "shadow_mw.comparator": "close",
        "url.full": "http://127.0.0.1:8001/models/digits",
        "server.address": "127.0.0.1",
        "server.port": 8001,
    }


def test_every_attribute_is_in_the_table(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request(traceparent=""))
    exchange.end_production(a_response(failure="ValueError"), "")
    ask(exchange).end(a_comparison(outcome="error", error_type="ShadowUnreachable"))

    for span in delivered(receiver, telemetry, 3).values():
        assert set(span.attributes) <= set(SPAN_ATTRIBUTES)


def test_a_disagreement_is_not_an_error(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request())
    exchange.end_production(a_response(), "1")
    ask(exchange).end(a_comparison(verdict="disagree"))

    for span in delivered(receiver, telemetry, 2).values():
        assert span.status == "UNSET"
        assert "error.type" not in span.attributes


def test_a_shadow_that_fails_marks_its_own_span_only(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request())
    exchange.end_production(a_response(), "1")
    failed = a_comparison(
        bucket="shadow_timeout",
        outcome="timeout",
        error_type="ShadowTimeout",
        error="no complete answer within 5 s",
        verdict="none",
        delta=None,
        comparator="",
        shadow_status=0,
        shadow_prediction="",
    )
    ask(exchange).end(failed)

    spans = delivered(receiver, telemetry, 2)
    asked = spans["predict shadow"]
    assert (asked.status, asked.status_message) == ("ERROR", "no complete answer within 5 s")
    assert asked.attributes["error.type"] == "ShadowTimeout"
    assert asked.attributes["shadow_mw.outcome"] == "timeout"
    assert asked.attributes["shadow_mw.verdict"] == "none"
    absent = {"http.response.status_code", "shadow_mw.prediction", "shadow_mw.delta", "shadow_mw.comparator"}
    assert not absent & set(asked.attributes)
    assert spans["predict production"].status == "UNSET"


def test_production_that_fails_marks_its_own_span_only(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request())
    exchange.end_production(a_response(status=500, failure="500"), "")
    ask(exchange).end(a_comparison(bucket="production_error", verdict="none"))

    spans = delivered(receiver, telemetry, 2)
    production = spans["predict production"]
    assert production.status == "ERROR"
    assert production.attributes["error.type"] == "500"
    assert production.attributes["http.response.status_code"] == 500
    assert spans["predict shadow"].status == "UNSET"


def test_in_sync_mode_production_ends_after_its_shadow(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request(mode="sync"))
    shadow = ask(exchange)
    shadow.end(a_comparison(mode="sync"))
    exchange.end_production(a_response(), "1")
    exchange.end_production(a_response(seconds=9.0), "2")

    spans = delivered(receiver, telemetry, 2)
    production, asked = spans["predict production"], spans["predict shadow"]
    assert asked.links == (Link(TRACE, production.span_id),)
    assert production.attributes["shadow_mw.prediction"] == "1"
    assert production.end_ns - production.start_ns == 250_000_000


def test_linked_gives_the_shadow_a_trace_of_its_own(receiver, telemetry):
    exchange = tracing(telemetry, linked=True).begin(a_request())
    exchange.end_production(a_response(), "1")
    shadow = ask(exchange)
    shadow.end(a_comparison())

    spans = delivered(receiver, telemetry, 2)
    production, asked = spans["predict production"], spans["predict shadow"]
    assert (production.trace_id, production.parent_span_id) == (TRACE, SERVER_SPAN)
    assert asked.trace_id != TRACE
    assert asked.parent_span_id == ""
    assert asked.links == (Link(TRACE, production.span_id),)
    assert asked.attributes["request.id"] == "r-42"
    assert shadow.headers["traceparent"].startswith(f"00-{asked.trace_id}-{asked.span_id}-")


def test_linked_without_a_server_span_has_two_roots(receiver, telemetry):
    exchange = tracing(telemetry, linked=True).begin(a_request(traceparent=""))
    exchange.end_production(a_response(), "1")
    ask(exchange).end(a_comparison())

    spans = delivered(receiver, telemetry, 2)
    assert [span.parent_span_id for span in spans.values()] == ["", ""]
    assert spans["predict shadow"].links == (
        Link(spans["predict production"].trace_id, spans["predict production"].span_id),
    )


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_without_a_server_span_both_are_siblings_under_one_of_ours(receiver, telemetry, traceparent):
    exchange = tracing(telemetry).begin(a_request(traceparent=traceparent))
    exchange.end_production(a_response(seconds=0.25), "1")
    ask(exchange).end(a_comparison())

    spans = delivered(receiver, telemetry, 3)
    parent = spans["exchange POST /models/{name}"]
    production, asked = spans["predict production"], spans["predict shadow"]
    assert (parent.kind, parent.parent_span_id) == ("INTERNAL", "")
    assert parent.attributes["request.id"] == "r-42"
    assert (production.parent_span_id, asked.parent_span_id) == (parent.span_id, parent.span_id)
    assert (production.trace_id, asked.trace_id) == (parent.trace_id, parent.trace_id)
    assert parent.start_ns == production.start_ns
    assert parent.end_ns == max(production.end_ns, asked.end_ns)


def test_our_parent_waits_for_all_shadows(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request(traceparent=""), shadows=2)
    exchange.end_production(a_response(), "1")
    ask(exchange, "forest").end(a_comparison())
    delivered(receiver, telemetry, 2)
    last = ask(exchange, "boost")
    last.end(a_comparison(shadow="boost", shadow_us=10_000_000_000_000))

    delivered(receiver, telemetry, 4)
    parent = receiver.spans("exchange POST /models/{name}")[0]
    assert parent.end_ns == max(span.end_ns for span in receiver.spans("predict shadow"))


def test_our_parent_ends_when_no_shadow_is_to_be_asked(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request(traceparent=""))
    exchange.end_production(a_response(), "1")
    exchange.close()
    exchange.close()

    spans = delivered(receiver, telemetry, 2)
    assert spans["exchange POST /models/{name}"].end_ns == spans["predict production"].end_ns


def test_what_the_caller_does_not_sample_is_not_exported(receiver, telemetry):
    for linked in (False, True):
        maker = tracing(telemetry, linked=linked)
        exchange = maker.begin(a_request(traceparent=TRACEPARENT[:-2] + "00"))
        exchange.end_production(a_response(), "1")
        shadow = ask(exchange)
        shadow.end(a_comparison())
        assert exchange.trace_id == TRACE
        assert shadow.headers["traceparent"].startswith(f"00-{TRACE}-")
        assert shadow.headers["traceparent"].endswith("-00")

    tracing(telemetry).begin(a_request()).end_production(a_response(), "")
    delivered(receiver, telemetry, 1)


def test_a_shadow_is_sent_our_context_and_mark_alone(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request(tracestate="vendor=1"))
    shadow = ask(exchange)
    assert dict(shadow.headers) == {
        "traceparent": f"00-{TRACE}-{shadow.span_id}-01",
        "tracestate": "vendor=1",
        "baggage": "shadow_mw.role=shadow",
    }
    assert is_marked(shadow.headers["baggage"])


def test_the_ambient_context_plays_no_part(receiver, telemetry):
    somebody_elses = telemetry.tracer.start_span("somebody else's")
    with trace.use_span(somebody_elses, end_on_exit=True) as ambient:
        exchange = tracing(telemetry, linked=True).begin(a_request(traceparent=""))
        shadow = ask(exchange)
        assert trace.get_current_span() is ambient
        exchange.end_production(a_response(), "1")
        shadow.end(a_comparison())

    spans = delivered(receiver, telemetry, 3)
    assert [span.parent_span_id for span in spans.values()] == ["", "", ""]


def test_long_and_broken_texts_are_mended(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request(request_id="r" * 5000))
    exchange.end_production(a_response(), "x" * 5000)
    ask(exchange).end(
        a_comparison(production_prediction="\ud800 lone", shadow_prediction="é" * 5000, comparator="é" * 5000)
    )

    spans = delivered(receiver, telemetry, 2)
    assert spans["predict production"].attributes["shadow_mw.prediction"] == "x" * 256
    assert spans["predict production"].attributes["request.id"] == "r" * 2048
    asked = spans["predict shadow"].attributes
    assert asked["shadow_mw.production.prediction"] == "? lone"
    assert asked["shadow_mw.prediction"] == "é" * 256
    assert asked["shadow_mw.comparator"] == "é" * 1024


def test_numpy_scalars_arrive_as_numbers(receiver, telemetry):
    exchange = tracing(telemetry).begin(a_request())
    exchange.end_production(a_response(), "1")
    ask(exchange).end(a_comparison(delta=np.float32(0.5)))

    delta = delivered(receiver, telemetry, 1 + 1)["predict shadow"].attributes["shadow_mw.delta"]
    assert delta == 0.5
    assert isinstance(delta, float)


@pytest.mark.parametrize("sampler", ["always_off", "traceidratio"])
def test_the_sampler_of_the_environment_decides(receiver, monkeypatch, sampler):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.0")
    telemetry = open_telemetry(reuse=False)
    exchange = tracing(telemetry).begin(a_request())
    exchange.end_production(a_response(), "1")
    ask(exchange).end(a_comparison())
    telemetry.shutdown(10.0)
    assert receiver.spans() == []


def test_the_span_limits_of_the_environment_hold(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "5")
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")
    monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "0")
    telemetry = open_telemetry(reuse=False)
    exchange = tracing(telemetry).begin(a_request())
    exchange.end_production(a_response(), "1")
    ask(exchange).end(a_comparison())
    telemetry.shutdown(10.0)
    [asked] = receiver.spans("predict shadow")
    assert len(asked.attributes) == 5
    assert max(len(value) for value in asked.attributes.values() if isinstance(value, str)) == 3
    assert asked.links == ()


class Witness(Sampler):
    """Notes the links that a sampler is shown, which are those that a span is created with."""

    def __init__(self):
        self.links = {}

    def should_sample(self, parent_context, trace_id, name, *rest, **named):
        self.links[name] = [link.context.span_id for link in named.get("links") or rest[2] or ()]
        return ALWAYS_ON.should_sample(parent_context, trace_id, name)

    def get_description(self):
        return "Witness"


def test_the_link_is_there_at_creation_for_samplers_to_see():
    witness = Witness()
    tracer = TracerProvider(sampler=witness, shutdown_on_exit=False).get_tracer("test")
    exchange = Tracing(tracer, queue="inline:", linked=False).begin(a_request())
    ask(exchange)
    assert witness.links["predict production"] == []
    assert witness.links["predict shadow"] == [int(exchange.production_span_id, 16)]


def test_without_telemetry_the_callers_trace_goes_on_to_the_shadow():
    exchange = Tracing(NoOpTracer(), queue="inline:", linked=False).begin(a_request())
    exchange.end_production(a_response(), "1")
    shadow = ask(exchange)
    shadow.end(a_comparison())
    assert (exchange.trace_id, exchange.production_span_id, shadow.span_id) == (TRACE, "", "")
    assert shadow.headers["traceparent"] == TRACEPARENT


def test_without_telemetry_and_trace_only_the_mark_is_sent():
    exchange = Tracing(NoOpTracer(), queue="inline:", linked=True).begin(a_request(traceparent=""))
    shadow = ask(exchange)
    assert (exchange.trace_id, exchange.production_span_id, shadow.span_id) == ("", "", "")
    assert dict(shadow.headers) == {"baggage": "shadow_mw.role=shadow"}


class Broken(SpanProcessor):
    def on_start(self, span, parent_context=None):
        raise RuntimeError("the app's own processor is broken")

    on_end = on_start


def test_a_broken_processor_of_the_app_breaks_nothing_else(caplog):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken())
    exchange = Tracing(provider.get_tracer("test"), queue="inline:", linked=False).begin(a_request())
    exchange.end_production(a_response(), "1")
    shadow = ask(exchange)
    shadow.end(a_comparison())
    assert dict(shadow.headers) == {"traceparent": TRACEPARENT, "baggage": "shadow_mw.role=shadow"}
