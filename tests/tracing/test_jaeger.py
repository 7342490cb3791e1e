"""Both predictions as a real Jaeger shows and finds them, over the API of its own page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jaeger import Jaeger, Reference, Span
from loans import Loans
from stub_shadow import Reply, StubShadow

HERE = {"OTEL_RESOURCE_ATTRIBUTES": "host.name=here,ip=here"}
LABELS = {
    "shadow_mw.prediction": '{"label":"approve"}',
    "shadow_mw.production.prediction": '{"label":"decline"}',
}


def told_by(shadow: Span) -> dict[str, str]:
    return {name: shadow.tags[name] for name in LABELS}


def follows(production: Span) -> Reference:
    return Reference("FOLLOWS_FROM", production.trace_id, production.span_id)


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_both_predictions_stand_under_the_server_span(
    jaeger: Jaeger,
    serve: Callable[..., Loans],
    approving: StubShadow,
    service: str,
    framework: str,
    mode: str,
) -> None:
    loans = serve(framework, "traced", approving.url, SHADOW_MODE=mode, **HERE, **jaeger.environment(service))
    assert [loans.decide("agrees", 500), loans.decide("differs", 1500)] == ["approve", "decline"]

    [trace] = jaeger.whole(service, {"request.id": "differs"}, spans=3)
    [server] = trace.servers
    production, shadow = trace.production, trace.shadow
    assert (server.parent, production.parent) == ("", server.span_id)
    # Jaeger's page hangs a span up at its first reference.
    assert shadow.references == (
        Reference("CHILD_OF", trace.trace_id, server.span_id),
        follows(production),
    )
    assert production.tags["request.id"] == shadow.tags["request.id"] == "differs"
    assert production.tags["shadow_mw.prediction"] == LABELS["shadow_mw.production.prediction"]
    assert told_by(shadow) == LABELS
    assert trace.warnings == []
    assert shadow.start_us >= (production.start_us if mode == "sync" else production.end_us) - 1000

    jaeger.whole(service, {"request.id": "agrees"}, spans=3)
    for tags in ({}, {"http.route": "/decide"}, {"shadow_mw.shadow.name": "challenger"}):
        [found] = jaeger.search(service, "predict shadow", tags={"shadow_mw.verdict": "disagree", **tags})
        assert found.trace_id == trace.trace_id
    assert len(jaeger.search(service, tags={"shadow_mw.verdict": "agree"})) == 1
    assert jaeger.search(service, tags={"shadow_mw.verdict": "incomparable"}) == []


@pytest.mark.parametrize(("framework", "mode"), [("fastapi", "sync"), ("flask", "async")])
def test_linked_is_a_trace_of_its_own_that_points_back(
    jaeger: Jaeger,
    serve: Callable[..., Loans],
    approving: StubShadow,
    service: str,
    framework: str,
    mode: str,
) -> None:
    settings = {"SHADOW_TRACE": "linked", "SHADOW_MODE": mode, **jaeger.environment(service)}
    loans = serve(framework, "traced", approving.url, **settings)
    loans.decide("agrees", 500)
    loans.decide("differs", 1500)

    halves = jaeger.whole(service, {"request.id": "differs"}, spans=3, traces=2)
    [of_shadow] = [trace for trace in halves if trace.named("predict shadow")]
    [of_production] = [trace for trace in halves if trace.named("predict production")]
    assert of_shadow.spans == [of_shadow.shadow]
    assert of_shadow.shadow.references == (follows(of_production.production),)
    assert [span.span_id for span in of_production.servers] == [of_production.production.parent]
    assert told_by(of_shadow.shadow) == LABELS
    assert of_shadow.warnings == []
    jaeger.whole(service, {"request.id": "agrees"}, spans=3, traces=2)
    [found] = jaeger.search(service, tags={"shadow_mw.verdict": "disagree"})
    assert found.trace_id == of_shadow.trace_id


def test_a_host_that_the_app_knows_in_code_is_that_of_our_spans_too(
    jaeger: Jaeger, serve: Callable[..., Loans], approving: StubShadow, service: str
) -> None:
    loans = serve("fastapi", "hosted", approving.url, **jaeger.environment(service))
    loans.decide("differs", 1500)
    [trace] = jaeger.whole(service, {"request.id": "differs"}, spans=3)
    assert {span.process["host.id"] for span in trace.spans} == {"i-0a1b, the first"}
    assert trace.warnings == [], "Jaeger suspects two clocks where a shadow comes late from another host"


def test_a_shadow_that_fails_is_found_by_its_outcome_and_its_reason(
    jaeger: Jaeger, serve: Callable[..., Loans], service: str
) -> None:
    with StubShadow(lambda _: Reply(status=503)) as broken:
        loans = serve("fastapi", "plain", broken.url, **jaeger.environment(service))
        assert loans.decide("r-1", 500) == "approve"
        [trace] = jaeger.whole(service, {"shadow_mw.outcome": "error"}, spans=3)
    [found] = jaeger.search(service, "predict shadow", tags={"error.type": "503"})
    assert found.trace_id == trace.trace_id
    assert trace.shadow.tags["error"] is True
    [cover] = trace.named("exchange POST /decide")
    assert trace.production.parent == trace.shadow.parent == cover.span_id
    assert (cover.parent, trace.warnings) == ("", []), "without a server span ours holds the two together"


def test_the_other_api_gives_the_link_as_opentelemetry_has_it(
    jaeger: Jaeger, serve: Callable[..., Loans], approving: StubShadow, service: str
) -> None:
    loans = serve("fastapi", "plain", approving.url, **jaeger.environment(service))
    loans.decide("differs", 1500)
    [trace] = jaeger.whole(service, {"request.id": "differs"}, spans=3)
    told = jaeger.get(f"/api/v3/traces/{trace.trace_id}")["result"]
    spans = {
        span["name"]: span
        for resource in told["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }
    [link] = spans["predict shadow"]["links"]
    assert link["spanId"] == spans["predict production"]["spanId"]
    assert spans["predict shadow"]["parentSpanId"] == spans["predict production"]["parentSpanId"]
    assert "status" not in spans["predict shadow"] or not spans["predict shadow"]["status"].get("code")


def test_a_least_duration_finds_what_is_slow(
    jaeger: Jaeger, serve: Callable[..., Loans], approving: StubShadow, service: str
) -> None:
    loans = serve("fastapi", "plain", approving.url, **jaeger.environment(service))
    loans.decide("r-1", 500)
    jaeger.whole(service, {"request.id": "r-1"}, spans=3)
    asked = {"service": service, "operation": "predict shadow", "limit": "10"}
    assert len(jaeger.get("/api/traces", **asked, minDuration="1us")["data"]) == 1
    assert jaeger.get("/api/traces", **asked, minDuration="100s")["data"] == []
