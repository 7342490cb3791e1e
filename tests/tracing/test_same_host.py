"""Our spans name the host that the app's own tracer provider knows, as a collector gets them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from loans import Loans
from otlp_receiver import OTLPReceiver
from stub_shadow import StubShadow


@pytest.mark.parametrize(
    ("environment", "more"),
    [
        ({}, {}),
        ({"OTEL_RESOURCE_ATTRIBUTES": "team=risk,host.name=box"}, {"team": "risk", "host.name": "box"}),
    ],
)
def test_a_host_that_is_known_in_code_reaches_the_mirror_process(
    serve: Callable[..., Loans], approving: StubShadow, environment: dict[str, str], more: dict[str, str]
) -> None:
    with OTLPReceiver("grpc") as receiver:
        told = {"OTEL_METRICS_EXPORTER": "none", **receiver.environment, **environment}
        loans = serve("fastapi", "hosted", approving.url, **told)
        loans.decide("r-1", 500)
        assert receiver.wait_for(lambda r: r.spans("predict shadow") and servers(r), 60)
        [shadow], [server] = receiver.spans("predict shadow"), servers(receiver)
    for span in (shadow, server):
        assert {"host.id": "i-0a1b, the first", **more}.items() <= span.resource.items()


def servers(receiver: OTLPReceiver) -> list:
    return [span for span in receiver.spans() if span.kind == "SERVER"]
