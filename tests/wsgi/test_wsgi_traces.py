"""Both predictions in one trace, wherever OpenTelemetry stands in a Flask app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from otlp_receiver import OTLPReceiver, Span
from stub_shadow import Reply, StubShadow

SCRIPT = Path(__file__).with_name("traced_flask_app.py")
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
INBOUND = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
ARRANGEMENTS = ["flask first", "flask last", "wsgi in front", "wsgi behind", "both in front"]


def traced(
    arrangement: str, method: str = "POST", headers: dict[str, str] | None = None, **settings: str
) -> list[Span]:
    """The spans of one request, served in a process of its own."""
    with OTLPReceiver("grpc") as receiver, StubShadow(lambda asked: Reply(body=b'{"y": 3.0}')) as shadow:
        environment = {
            **os.environ,
            **receiver.environment,
            "SHADOW_QUEUE": "inline:",
            "SHADOW_TARGETS": f"candidate={shadow.url}",
            "SHADOW_ROUTES": "POST /predict, GET /predict",
            "OTEL_METRICS_EXPORTER": "none",
            **settings,
        }
        done = subprocess.run(
            [sys.executable, str(SCRIPT), arrangement, method, json.dumps(headers or {})],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert receiver.wait_for(lambda r: r.spans("predict production") and r.spans("predict shadow"))
        return receiver.spans()


def named(spans: list[Span], name: str) -> Span:
    [span] = [span for span in spans if span.name == name]
    return span


@pytest.mark.parametrize(
    ("arrangement", "mode"),
    [*((one, "async") for one in ARRANGEMENTS), ("flask last", "sync"), ("wsgi behind", "sync")],
)
def test_both_are_children_of_the_server_span(arrangement, mode):
    spans = traced(arrangement, SHADOW_MODE=mode, headers=INBOUND)
    production, asked = named(spans, "predict production"), named(spans, "predict shadow")
    [server] = [span for span in spans if span.kind == "SERVER"]
    assert production.trace_id == asked.trace_id == TRACE
    # A WSGI middleware behind the mirror is seen at the read only, which this app does in a span of its own.
    is_hidden = (arrangement, mode) == ("wsgi behind", "sync")
    parent = named(spans, "of the app's own") if is_hidden else server
    assert production.parent_span_id == asked.parent_span_id == parent.span_id
    assert server.parent_span_id == CALLER
    assert [link.span_id for link in asked.links] == [production.span_id]
    assert asked.attributes["shadow_mw.verdict"] == "disagree"


@pytest.mark.parametrize("arrangement", ["flask first", "wsgi in front", "wsgi behind"])
def test_of_a_request_without_a_body_as_well(arrangement):
    spans = traced(arrangement, "GET")
    production, asked = named(spans, "predict production"), named(spans, "predict shadow")
    [server] = [span for span in spans if span.kind == "SERVER"]
    assert production.parent_span_id == asked.parent_span_id == server.span_id


@pytest.mark.parametrize("headers", [{}, INBOUND])
def test_without_opentelemetry_in_the_app_they_are_siblings_all_the_same(headers):
    spans = traced("absent", headers=headers)
    production, asked = named(spans, "predict production"), named(spans, "predict shadow")
    assert production.trace_id == asked.trace_id
    assert production.parent_span_id == asked.parent_span_id
    assert production.parent_span_id == (
        CALLER if headers else named(spans, "exchange POST /predict").span_id
    )
