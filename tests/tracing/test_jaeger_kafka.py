"""Both predictions in a real Jaeger where Kafka stands between the app and the worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from broker import Broker, running
from jaeger import Jaeger, Reference
from loans import Loans
from process_tools import Program
from stub_shadow import StubShadow


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    yield from running(Broker)


@pytest.mark.parametrize("trace", ["same", "linked"])
def test_a_worker_on_another_host_adds_the_other_half(
    jaeger: Jaeger,
    broker: Broker,
    serve: Callable[..., Loans],
    start: Callable[..., Program],
    approving: StubShadow,
    service: str,
    trace: str,
) -> None:
    queue = broker.queue(broker.new_topic())
    common = {"SHADOW_QUEUE": queue, "SHADOW_TRACE": trace, **jaeger.environment(service)}
    loans = serve("fastapi", "traced", approving.url, **common, OTEL_RESOURCE_ATTRIBUTES="host.name=app")
    loans.decide("differs", 1500)
    # What production did can be seen before anybody has asked a shadow.
    [first] = jaeger.find(service, {}, lambda found: bool(found and found[0].servers))
    assert first.named("predict shadow") == []

    start(
        "-m",
        "shadow_mw",
        "worker",
        SHADOW_TARGETS=f"challenger={approving.url}",
        SHADOW_ROUTES="POST /decide",
        OTEL_RESOURCE_ATTRIBUTES="host.name=worker",
        **common,
    )
    count = 1 if trace == "same" else 2
    halves = jaeger.whole(service, {"request.id": "differs"}, spans=3, traces=count)
    [late] = jaeger.search(service, tags={"shadow_mw.verdict": "disagree"})
    shadow = late.shadow
    [production] = [span for half in halves for span in half.named("predict production")]
    assert shadow.references[-1] == Reference("FOLLOWS_FROM", production.trace_id, production.span_id)
    assert (production.trace_id == shadow.trace_id) is (trace == "same")
    assert shadow.start_us >= production.end_us
    assert {shadow.process["host.name"], production.process["host.name"]} == {"worker"}
    assert shadow.tags["shadow_mw.queue"].startswith("kafka://")
    assert shadow.tags["shadow_mw.queue.duration"] > 0
    assert shadow.tags["shadow_mw.production.prediction"] == '{"label":"decline"}'
    if trace == "linked":
        assert late.warnings == [], "alone in its trace it has no parent that another clock could belie"
