"""Both predictions in one trace, as a collector gets it, wherever OpenTelemetry stands in the app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from otlp_receiver import OTLPReceiver
from stub_shadow import Reply, StubShadow

SCRIPT = Path(__file__).with_name("traced_app.py")
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
INBOUND = {"traceparent": f"00-{TRACE}-{CALLER}-01"}


def answering() -> StubShadow:
    return StubShadow(lambda asked: Reply(body=b'{"y": 3.0}'))


def all_told(receiver: OTLPReceiver) -> bool:
    """Both predictions have arrived, and what covers them where the app has no server span."""
    shadows = receiver.spans("predict shadow")
    return bool(shadows and receiver.spans("predict production")) and any(
        span.span_id == shadows[0].parent_span_id for span in receiver.spans()
    )


def traced(
    receiver: OTLPReceiver, arrangement: str, headers: dict[str, str], shadow: StubShadow, **settings: str
) -> None:
    """Serve one request in a process of its own, with the spans going to the receiver."""
    environment = {
        **os.environ,
        **receiver.environment,
        "SHADOW_TARGETS": f"candidate={shadow.url}",
        "SHADOW_ROUTES": "POST /predict",
        "OTEL_METRICS_EXPORTER": "none",
        **settings,
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT), arrangement, receiver.protocol, json.dumps(headers)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("queue", "protocol"), [("inline:", "grpc"), ("process:", "http/protobuf")])
@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("arrangement", ["front", "behind", "absent"])
def test_production_and_shadow_are_siblings_in_one_trace(arrangement, mode, queue, protocol):
    with OTLPReceiver(protocol) as receiver:
        headers = {"x-request-id": "abc-1"}
        with answering() as shadow:
            traced(receiver, arrangement, headers, shadow, SHADOW_MODE=mode, SHADOW_QUEUE=queue)
            assert receiver.wait_for(all_told, 20)
        [production], [asked] = receiver.spans("predict production"), receiver.spans("predict shadow")
        servers = [span for span in receiver.spans() if span.kind == "SERVER"]
        exchanges = [span for span in receiver.spans() if span.name == "exchange POST /predict"]
    assert production.trace_id == asked.trace_id
    assert production.parent_span_id == asked.parent_span_id
    parents = exchanges if arrangement == "absent" else servers
    assert [span.span_id for span in parents] == [production.parent_span_id]
    assert all(span.parent_span_id == "" for span in parents)
    assert [link.span_id for link in asked.links] == [production.span_id]
    assert production.attributes["request.id"] == asked.attributes["request.id"] == "abc-1"
    assert asked.attributes["shadow_mw.verdict"] == "disagree"
    assert asked.attributes["shadow_mw.prediction"] == '{"y":3.0}'
    assert asked.attributes["shadow_mw.production.prediction"] == '{"y":2.0}'
    assert asked.attributes["shadow_mw.mode"] == mode
    [sent] = shadow.asked
    assert (sent.header("traceparent") or "").startswith(f"00-{asked.trace_id}-{asked.span_id}-")


@pytest.mark.parametrize("arrangement", ["front", "behind", "absent"])
def test_a_remote_parent_stays_the_root_of_the_trace(arrangement):
    with OTLPReceiver("grpc") as receiver, answering() as shadow:
        traced(receiver, arrangement, {**INBOUND, "baggage": "user=me"}, shadow)
        receiver.wait_for(lambda r: r.spans("predict production") and r.spans("predict shadow"))
        [production], [asked] = receiver.spans("predict production"), receiver.spans("predict shadow")
        servers = [span for span in receiver.spans() if span.kind == "SERVER"]
    assert production.trace_id == asked.trace_id == TRACE
    assert production.parent_span_id == asked.parent_span_id
    assert production.attributes["request.id"] == TRACE, "without an id of its own the trace id is taken"
    if arrangement == "absent":
        assert production.parent_span_id == CALLER
    else:
        assert [span.span_id for span in servers] == [production.parent_span_id]
        assert [span.parent_span_id for span in servers] == [CALLER]
    [sent] = shadow.asked
    assert (sent.header("traceparent") or "").startswith(f"00-{TRACE}-{asked.span_id}-")
    assert sent.header("baggage") == "shadow_mw.role=shadow"


def test_linked_gives_the_shadow_a_trace_of_its_own():
    with OTLPReceiver("grpc") as receiver, answering() as shadow:
        traced(receiver, "front", {}, shadow, SHADOW_TRACE="linked")
        receiver.wait_for(lambda r: r.spans("predict production") and r.spans("predict shadow"))
        [production], [asked] = receiver.spans("predict production"), receiver.spans("predict shadow")
    assert production.trace_id != asked.trace_id
    assert [(link.trace_id, link.span_id) for link in asked.links] == [
        (production.trace_id, production.span_id)
    ]


def test_the_store_knows_the_spans(tmp_path):
    with OTLPReceiver("grpc") as receiver, answering() as shadow:
        traced(receiver, "front", {}, shadow)
        receiver.wait_for(lambda r: r.spans("predict shadow"))
        [production], [asked] = receiver.spans("predict production"), receiver.spans("predict shadow")
    [segment] = (tmp_path / "store" / "hot").glob("*.jsonl")
    records = [json.loads(line) for line in segment.read_text().splitlines()]
    [comparison] = [record for record in records if record["kind"] == "comparison"]
    assert comparison["trace_id"] == asked.trace_id
    assert comparison["production_span_id"] == production.span_id
    assert comparison["shadow_span_id"] == asked.span_id


def test_metrics_arrive_with_the_books():
    with OTLPReceiver("http/protobuf") as receiver, answering() as shadow:
        traced(receiver, "absent", {}, shadow, OTEL_METRICS_EXPORTER="otlp")
        assert receiver.wait_for(lambda r: r.metrics("shadow_mw.requests"))
        decisions = {
            point.attributes["shadow_mw.decision"]: point.value
            for point in receiver.metrics("shadow_mw.requests")
        }
        assert receiver.metrics("shadow_mw.predict.duration")
    assert decisions["mirrored"] == 1
