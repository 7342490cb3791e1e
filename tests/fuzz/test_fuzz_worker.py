"""A worker that is given exchanges of right types and absurd values: each one is settled, and it goes on."""

from __future__ import annotations

import contextlib

import anyio
import msgspec
import pytest
from fuzz_material import odd
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from memory_broker import MemoryBroker, MemoryInbox, exchange
from stub_shadow import StubShadow

from shadow_mw.assembly.stores import open_reader
from shadow_mw.broker_worker import Consuming
from shadow_mw.envelope import Sealer
from shadow_mw.frames import Counts
from shadow_mw.records import Exchange
from shadow_mw.settings import load_settings

SEALER = Sealer(service="shop")
plain = odd.map(lambda text: text.encode("utf-8", "replace").decode()[:300])
moments = st.sampled_from([-(2**63), -1, 0, 2**53, 2**63 - 1, 2**64 - 1]) | st.integers(-(2**63), 2**64 - 1)
headers = st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=30)), max_size=3).map(tuple)
requests = {
    **dict.fromkeys(
        ("request_id", "method", "route", "path", "query", "traceparent", "tracestate", "service"), plain
    ),
    "ts_us": moments,
    "headers": headers,
    "body": st.binary(max_size=60),
    "sample_rate": st.floats(),
}
responses = {
    "seconds": st.floats(),
    "status": moments,
    "headers": headers,
    "body": st.binary(max_size=60),
    "failure": plain,
    "is_body_captured": st.booleans(),
    "is_prediction": st.booleans(),
}
counts = st.dictionaries(st.sampled_from(["eligible", "compared"]) | plain, moments, max_size=3)


@pytest.fixture(scope="module")
def shadow():
    with StubShadow() as stub:
        yield stub


@pytest.mark.fault("poison")
@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.fixed_dictionaries({}, optional=requests),
    st.fixed_dictionaries({}, optional=responses),
    st.lists(st.tuples(plain, plain, counts), max_size=2).map(tuple),
)
@example({"ts_us": 2**64 - 1}, {}, ())
@example({"ts_us": -(2**63)}, {"seconds": float("inf"), "status": 2**63}, ())
@example({}, {"seconds": float("nan")}, (("POST /predict", "shadow", {"eligible": 2**64 - 1}),))
def test_an_absurd_exchange_is_settled_and_the_next_one_compared(
    shadow, no_exporters, tmp_path_factory, request_fields, response_fields, added
) -> None:
    store = tmp_path_factory.mktemp("store") / "store"
    broker = MemoryBroker()
    sound = exchange(7)
    strange = Exchange(
        request=msgspec.structs.replace(sound.request, exchange_id="odd", **request_fields),
        response=msgspec.structs.replace(sound.response, exchange_id="odd", **response_fields),
    )
    value = msgspec.msgpack.encode(strange)
    broker.put(msgspec.structs.replace(SEALER.exchange(sound), id="odd", value=value))
    broker.put(SEALER.counts(Counts(added)))
    broker.put(SEALER.exchange(sound))
    settled = load_settings(
        targets=shadow.url,
        routes="POST /predict",
        queue="kafka://broker.invalid:9092/topic",
        store=str(store),
        drain_seconds=20,
    )

    async def run() -> None:
        await Consuming(settled, MemoryInbox(broker)).run(())

    anyio.run(run)
    assert not broker.open
    assert not broker.waiting
    assert len(broker.acknowledged) == 3
    with contextlib.closing(open_reader(str(store))) as reader:
        rows = reader.rows(
            "SELECT request_id FROM comparisons WHERE request_id = ?", (sound.request.request_id,)
        )
    assert rows
