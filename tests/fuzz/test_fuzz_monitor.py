"""The pages of a worker with any path, query and header; and metrics of any name."""

from __future__ import annotations

from urllib.parse import quote_from_bytes

import anyio
import httpx
import pytest
from fuzz_material import odd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadow_mw.monitor import monitor_app
from shadow_mw.snapshots import Statistics

PAGES = ("/healthz", "/readyz", "/metrics")
relaxed = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def pages():
    return monitor_app(
        snapshot=lambda: Statistics(mode="async", queue="inline:", shadows=()),
        problem=lambda: "",
        exposition=lambda: (b"shadow_mw_queue_lag 7\n", "text/plain"),
    )


@relaxed
@given(
    st.sampled_from(PAGES)
    | st.binary(max_size=20).map(lambda raw: "/" + quote_from_bytes(raw, safe="/").lstrip("/")),
    st.binary(max_size=40),
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"]),
    st.dictionaries(st.sampled_from(["accept", "range", "x-forwarded-for", "host"]), st.binary(max_size=30)),
)
def test_any_request_is_answered_or_refused(pages, path, query, method, headers) -> None:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(pages), base_url="http://w") as client:
            target = f"http://w{path}?{quote_from_bytes(query, safe='&=')}"
            return await client.request(method, target, headers=headers)

    answer = anyio.run(run)
    assert answer.status_code in (200, 400, 404, 405)
    assert answer.status_code == 200 or answer.content == b""


@relaxed
@given(*[odd.filter(lambda text: text.isprintable() or text.isascii())] * 2)
def test_the_page_of_metrics_can_be_read_whatever_a_route_is_called(route: str, shadow: str) -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client.parser import text_string_to_metric_families

    from shadow_mw.telemetry.prometheus import PrometheusPage

    page = PrometheusPage("SHADOW_WORKER_LISTEN")
    provider = MeterProvider([page.reader])
    labels = {"http.route": route, "shadow_mw.shadow.name": shadow}
    provider.get_meter("t").create_counter("shadow_mw.requests").add(1, labels)
    text, _ = page.text()
    provider.shutdown()
    found = [sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples]
    assert [sample.labels["http_route"] for sample in found if sample.name == "shadow_mw_requests_total"] == [
        route
    ]
