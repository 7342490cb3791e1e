"""The example's tail sampling in a real Collector, which Jaeger's program is too, before a real Jaeger."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jaeger import Jaeger
from loans import Loans
from process_tools import comparisons, until
from stub_shadow import Asked, Reply, StubShadow

from shadow_mw.telemetry import names

BOTH = {
    "shadow_mw.prediction": '{"label":"approve"}',
    "shadow_mw.production.prediction": '{"label":"decline"}',
}
OURS = (names.SPAN_PRODUCTION, names.SPAN_SHADOW)
#: Production declines it, and the shadow takes its time.
LATE = 2000


class Waiting:
    """A shadow that approves of everything, of one loan only when it is told to."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()

    def __call__(self, asked: Asked) -> Reply:
        if json.loads(asked.body).get("payment") == LATE:
            self.may_go_on.wait(100)
        return Reply(body=b'{"label": "approve"}')


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    waiting = Waiting()
    yield waiting
    waiting.may_go_on.set()


@pytest.fixture
def collector(jaeger: Jaeger, tmp_path: Path) -> Iterator[Callable[..., Jaeger]]:
    with contextlib.ExitStack() as started:

        def make(percentage: int, wait: str = "15s") -> Jaeger:
            changes = {
                "decision_wait: 15s": f"decision_wait: {wait}",
                "sampling_percentage: 10": f"sampling_percentage: {percentage}",
                "endpoint: 127.0.0.1:4317": f"endpoint: 127.0.0.1:{jaeger.ports[4317]}",
            }
            one = started.enter_context(Jaeger(tmp_path / "collector", "tail-sampling.yaml", **changes))
            one.wait(5317)
            return one

        yield make


def test_what_differs_and_what_fails_is_kept_in_both_halves(
    jaeger: Jaeger, collector: Callable[..., Jaeger], serve: Callable[..., Loans], service: str
) -> None:
    def answer(asked: Asked) -> Reply:
        fails = json.loads(asked.body)["payment"] == 1
        return Reply(status=500) if fails else Reply(body=b'{"label": "approve"}')

    with StubShadow(answer) as shadow:
        loans = serve("fastapi", "traced", shadow.url, **collector(0).environment(service, 5317))
        for request_id, payment in (("agrees", 500), ("fails", 1), ("differs", 1500)):
            loans.decide(request_id, payment)
        for request_id in ("differs", "fails"):
            [trace] = jaeger.whole(service, {"request.id": request_id}, spans=3)
            assert trace.shadow.parent == trace.production.parent == trace.servers[0].span_id
    assert jaeger.search(service, tags={"request.id": "agrees"}) == []


@pytest.mark.parametrize(
    ("trace", "percentage", "kept"),
    [
        ("same", 100, [*OURS]),
        ("same", 0, []),
        ("linked", 0, [names.SPAN_SHADOW]),
    ],
)
def test_a_shadow_that_comes_after_the_decision(
    jaeger: Jaeger,
    collector: Callable[..., Jaeger],
    serve: Callable[..., Loans],
    service: str,
    waiting: Waiting,
    trace: str,
    percentage: int,
    kept: list[str],
) -> None:
    with StubShadow(waiting) as shadow:
        environment = collector(percentage, "1s").environment(service, 5317)
        settings = {"SHADOW_TRACE": trace, "SHADOW_TIMEOUT_SECONDS": "90"}
        loans = serve("fastapi", "traced", shadow.url, **settings, **environment)
        loans.decide("late", LATE)
        # A trace with a failure in it is kept. Once this one is seen, the one before it was decided on.
        loans.fail("next")
        jaeger.find(service, {"request.id": "next"}, bool)
        waiting.may_go_on.set()
        store = loans.program.store
        until(lambda: "late" in {one["request_id"] for one in comparisons(store)}, "the late comparison")
        # Once a shadow's half of these is seen, that of the late one has come too. In a trace of its own a
        # shadow is kept for its verdict, in production's for production's failure.
        loans.fail("last")
        loans.decide("last", 1500)
        jaeger.find(service, {"request.id": "last"}, bool, operation=names.SPAN_SHADOW)
        late = jaeger.search(service, tags={"request.id": "late"})
    spans = [span for one in late for span in one.spans if span.name in OURS]
    assert sorted(span.name for span in spans) == kept
    told = [{name: span.tags[name] for name in BOTH} for span in spans if span.name == names.SPAN_SHADOW]
    assert told == [BOTH] * kept.count(names.SPAN_SHADOW)
