"""`opentelemetry-instrument COMMAND`: the same command that brings the server spans mirrors too."""

from __future__ import annotations

import pytest
from otlp_receiver import OTLPReceiver
from server_process import post

COMMANDS = {
    "FastAPI": ("uvicorn", "--port", "0", "door_fastapi:app"),
    "FastAPI with the line": ("uvicorn", "--port", "0", "door_fastapi_line:app"),
    "Flask": ("gunicorn", "--no-control-socket", "-b", "127.0.0.1:0", "door_flask:app"),
}
INSTRUMENT = ("command", "opentelemetry-instrument")
CLOSE = b"connection: close"


def is_told(receiver: OTLPReceiver) -> bool:
    shadows = receiver.spans("predict shadow")
    servers = [span.span_id for span in receiver.spans() if span.kind == "SERVER"]
    return bool(shadows and receiver.spans("predict production") and servers)


@pytest.mark.parametrize("name", COMMANDS)
def test_both_predictions_stand_under_the_server_span(start, stub, name):
    with OTLPReceiver("http/protobuf") as receiver:
        environment = {**receiver.environment, "OTEL_TRACES_EXPORTER": "otlp"}
        server = start(*INSTRUMENT, *COMMANDS[name], **environment)
        assert b'{"y":6' in server.send(post(b'{"x": [1, 2, 3]}', "", CLOSE, b"x-request-id: a-1"))
        assert receiver.wait_for(is_told, 30), server.log
        server.stop()
        [production], [asked] = receiver.spans("predict production"), receiver.spans("predict shadow")
        [parent] = [span for span in receiver.spans() if span.kind == "SERVER"]
    assert production.parent_span_id == asked.parent_span_id == parent.span_id
    assert production.trace_id == asked.trace_id == parent.trace_id
    assert asked.attributes["request.id"] == "a-1"
    records, counts = server.records()
    assert counts == {"eligible": 1, "compared": 1, "agree": 1}
    assert len(records) == 1


@pytest.mark.parametrize("order", ["shadow_mw {}", "{} shadow_mw"])
@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_the_order_of_instrumentors_does_not_matter(start, framework, order):
    serve = {
        "fastapi": ("uvicorn", "--port", "0"),
        "flask": ("gunicorn", "--no-control-socket", "-b", "127.0.0.1:0"),
    }
    with OTLPReceiver("http/protobuf") as receiver:
        server = start(
            *INSTRUMENT,
            *serve[framework],
            "door_ordered:app",
            **receiver.environment,
            # It sets the SDK up, and leaves the instrumenting to the app.
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="shadow_mw,fastapi,flask,starlette,asgi,wsgi",
            OTEL_TRACES_EXPORTER="otlp",
            ORDER=order.format(framework),
            APP=f"door_{framework}",
        )
        server.send(post(b'{"x": [1, 2, 3]}', "", CLOSE))
        assert receiver.wait_for(is_told, 30), server.log
        [production], [asked] = receiver.spans("predict production"), receiver.spans("predict shadow")
        [parent] = [span for span in receiver.spans() if span.kind == "SERVER"]
        server.stop()
    assert production.parent_span_id == asked.parent_span_id == parent.span_id
    assert server.records()[1] == {"eligible": 1, "compared": 1, "agree": 1}


def test_it_can_be_left_out(start):
    server = start(
        *INSTRUMENT,
        *COMMANDS["Flask"],
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="shadow_mw",
        OTEL_TRACES_EXPORTER="none",
    )
    server.send(post(b'{"x": [1, 2, 3]}', "", CLOSE))
    server.stop()
    assert server.records() == ([], {})
    assert "shadow_mw mirrors" not in server.log
