"""Which span is the parent of an exchange, seen through OpenTelemetry's real ASGI middleware."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind

from shadow_mw.telemetry.context import MARK, current_parent, is_marked

INBOUND = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"1", "more_body": True})
    await send({"type": "http.response.body", "body": b"2"})


class Tee:
    """What our middleware does: asks for the parent at the call, at each `receive` and at each `send`."""

    def __init__(self, app):
        self.app = app
        self.seen = {}

    async def __call__(self, scope, receive, send):
        self.seen["call"] = current_parent()

        async def our_receive():
            self.seen["receive"] = current_parent()
            return await receive()

        async def our_send(message):
            self.seen[message["type"]] = current_parent()
            await send(message)

        await self.app(scope, our_receive, our_send)


def serve(app, headers=()):
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/predict",
        "raw_path": b"/predict",
        "query_string": b"",
        "headers": list(headers),
        "server": ("testserver", 80),
        "client": ("testclient", 1),
        "http_version": "1.1",
    }
    messages = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive():
        return messages.pop()

    async def send(message):
        pass

    asyncio.run(app(scope, receive, send))


@pytest.fixture
def provider():
    provider = TracerProvider(shutdown_on_exit=False, sampler=ALWAYS_ON)
    provider.memory = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(provider.memory))
    yield provider
    provider.shutdown()


def server_span(provider) -> str:
    span = next(span for span in provider.memory.get_finished_spans() if span.kind is SpanKind.SERVER)
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}"


def test_with_opentelemetry_in_front_it_is_the_server_span_everywhere(provider):
    tee = Tee(app)
    serve(OpenTelemetryMiddleware(tee, tracer_provider=provider))
    assert list(tee.seen) == ["call", "receive", "http.response.start", "http.response.body"]
    for traceparent, tracestate in tee.seen.values():
        assert traceparent.startswith(server_span(provider))
        assert traceparent[-1] in "13"
        assert tracestate == ""


def test_with_opentelemetry_behind_it_is_the_server_span_as_soon_as_there_is_one(provider):
    tee = Tee(OpenTelemetryMiddleware(app, tracer_provider=provider))
    serve(tee)
    assert tee.seen.pop("call") == ("", "")
    assert list(tee.seen) == ["receive", "http.response.start", "http.response.body"]
    for traceparent, _ in tee.seen.values():
        assert traceparent.startswith(server_span(provider))


@pytest.mark.parametrize("excluded", [["receive"], ["send"], ["receive", "send"]])
def test_with_opentelemetry_behind_and_its_short_spans_switched_off(provider, excluded):
    tee = Tee(OpenTelemetryMiddleware(app, tracer_provider=provider, exclude_spans=excluded))
    serve(tee)
    del tee.seen["call"]
    assert {traceparent[:-3] for traceparent, _ in tee.seen.values()} == {server_span(provider)}


def test_without_opentelemetry_there_is_none(provider):
    tee = Tee(app)
    serve(tee)
    assert set(tee.seen.values()) == {("", "")}


def test_the_callers_trace_and_its_state_go_on(provider):
    tee = Tee(app)
    headers = [(b"traceparent", INBOUND.encode()), (b"tracestate", b"vendor=1,other=2")]
    serve(OpenTelemetryMiddleware(tee, tracer_provider=provider), headers)
    for traceparent, tracestate in tee.seen.values():
        assert traceparent.split("-")[1] == INBOUND.split("-")[1]
        assert tracestate == "vendor=1,other=2"


@pytest.mark.parametrize("is_in_front", [True, False])
def test_what_is_not_sampled_stays_so(is_in_front):
    provider = TracerProvider(shutdown_on_exit=False, sampler=ALWAYS_OFF)
    tee = Tee(app if is_in_front else OpenTelemetryMiddleware(app, tracer_provider=provider))
    serve(OpenTelemetryMiddleware(tee, tracer_provider=provider) if is_in_front else tee)
    traceparent, _ = tee.seen["receive"]
    assert traceparent[-1] in "02"


def test_a_span_of_the_app_itself_is_the_parent(provider):
    tracer = provider.get_tracer("app")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("load the features") as span:
        assert current_parent()[0].split("-")[2] == f"{span.get_span_context().span_id:016x}"


def test_a_root_span_that_is_called_like_a_short_one_is_itself_the_parent(provider):
    with provider.get_tracer("app").start_as_current_span("POST /predict http receive") as span:
        assert current_parent()[0].split("-")[2] == f"{span.get_span_context().span_id:016x}"


class Odd(trace.NonRecordingSpan):
    """A span of somebody else's making."""

    kind = SpanKind.INTERNAL
    name = None

    @property
    def parent(self):
        raise RuntimeError("odd")


class Hostile(trace.NonRecordingSpan):
    def get_span_context(self):
        raise RuntimeError("hostile")


def test_odd_spans_never_raise():
    context = trace.SpanContext(1, 2, is_remote=False)
    for span in (Odd(context), Hostile(context)):
        with trace.use_span(span):
            assert current_parent() == ("", "")


def test_the_request_path_does_not_import_the_sdk():
    code = (
        "import sys, types; package = types.ModuleType('shadow_mw');"
        f"package.__path__ = [{str(_package())!r}]; sys.modules['shadow_mw'] = package;"
        "import shadow_mw.telemetry.context;"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _package():
    from pathlib import Path

    import shadow_mw

    return Path(shadow_mw.__file__).parent


@pytest.mark.parametrize(
    "baggage",
    [
        MARK,
        f"a=1,{MARK}",
        "a=1 , shadow_mw.role = shadow ,b=2",
        f"{MARK};ttl=3;secret",
        "shadow_mw.role=%73hadow",
        "shadow_mw.role=production, shadow_mw.role=shadow",
    ],
)
def test_marked(baggage):
    assert is_marked(baggage)


@pytest.mark.parametrize(
    "baggage",
    [
        "",
        "shadow_mw.role",
        "shadow_mw.role=production",
        "shadow_mw.role=shadows",
        "x.shadow_mw.role=shadow",
        "note=1;shadow_mw.role=shadow",
        "note=shadow_mw.role=shadow",
        "note=shadow_mw.role%3Dshadow",
        "SHADOW_MW.ROLE=shadow",
    ],
)
def test_not_marked(baggage):
    assert not is_marked(baggage)


@given(st.text())
def test_any_text_is_either_marked_or_not(baggage):
    assert is_marked(baggage) in (True, False)
    assert is_marked(f"{baggage},{MARK}")
