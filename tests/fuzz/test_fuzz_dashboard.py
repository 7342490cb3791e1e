"""Every page of the dashboard with any query: shown or refused, and nothing of it comes back as HTML."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_from_bytes, urlencode

import anyio
import httpx
import pytest
from fuzz_material import ODD_TEXTS, json_values, odd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_records import Call, write_calls

from shadow_mw.dashboard import board, dashboard

PAGES = ("/", "/exchanges", "/api/analysis", "/api/gate", "/exchange/x", "/healthz", "/nowhere", "/static/")
NAMES = (
    *("shadow", "route", "range", "since", "until", "only", "order", "before", "last", "token"),
    *(
        "min_agreement",
        "max_latency_ratio",
        "max_error_increase",
        "min_coverage",
        "confidence",
        "min_samples",
    ),
    "max_segment_disagreement",
)
EVIL = "\"'><script>alert(7)</script>"
RIGHT = st.sampled_from(
    [
        "forest",
        "POST /predict",
        "24h",
        "0.5",
        "1",
        "agree",
        "slowest",
        "2026-11-22T10:00",
        "0001-01-01T00:00",
        "9999-12-31T23:59",
    ]
)
queries = st.dictionaries(st.sampled_from(NAMES) | odd, RIGHT | odd | st.just(EVIL), max_size=5)
relaxed = settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A dashboard over a small store; it keeps no answer to the next question by patience."""
    folder = tmp_path_factory.mktemp("fuzz") / "store"
    write_calls(folder, [Call("agree")] * 5 + [Call("disagree")] * 2 + [Call("shadow_timeout")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board, "PATIENCE_SECONDS", 100.0)
        yield dashboard(str(folder))


def ask(site, target: str, **how) -> httpx.Response:
    """The answer to a target as it would stand in a request line; what the app raises, fails the test."""

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(site)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8400") as client:
            return await client.request(
                how.pop("method", "GET"), httpx.URL(f"http://127.0.0.1:8400{target}"), **how
            )

    return anyio.run(run)


def is_harmless(answer: httpx.Response) -> None:
    assert answer.status_code in (200, 304, 400, 401, 404, 405, 409, 425), (
        answer.status_code,
        answer.text[:500],
    )
    if answer.headers["content-type"].startswith("text/html"):
        assert "<script>alert" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    if answer.headers["content-type"].startswith("application/json"):
        answer.json()


def encoded(query: dict[str, str]) -> str:
    return urlencode(
        [tuple(part.encode("utf-8", "surrogatepass") for part in pair) for pair in query.items()]
    )


@pytest.mark.parametrize("page", PAGES)
def test_any_query_is_answered_or_refused(site, page) -> None:
    @relaxed
    @given(queries)
    def run(query) -> None:
        is_harmless(ask(site, f"{page}?{encoded(query)}"))

    run()


@pytest.mark.parametrize("name", NAMES)
def test_odd_values_of_every_name(site, name) -> None:
    for text in (*ODD_TEXTS, EVIL):
        is_harmless(ask(site, f"/api/gate?{encoded({name: text})}"))
    for page in ("/", "/exchanges"):
        for text in ("\ud800", "9" * 5000, "0001-01-01T00:00:00+23:59", EVIL):
            is_harmless(ask(site, f"{page}?{encoded({name: text})}"))


@relaxed
@given(st.binary(max_size=40))
def test_raw_bytes_in_path_and_query(site, raw) -> None:
    # httpx takes the fragment's sign for its own.
    path, query = quote_from_bytes(raw, safe="/"), quote_from_bytes(raw, safe="&=+;")
    is_harmless(ask(site, f"/exchange/{path}?{query}"))
    is_harmless(ask(site, f"/{path.lstrip('/')}"))


@relaxed
@given(json_values | st.fixed_dictionaries({"metadata": json_values | queries}))
def test_any_webhook_is_answered_with_a_decision_or_refused(site, body) -> None:
    is_harmless(ask(site, "/api/gate", method="POST", content=json.dumps(body).encode()))


@relaxed
@given(st.binary(max_size=60))
def test_any_bytes_as_a_webhook(site, body) -> None:
    is_harmless(ask(site, "/api/gate", method="POST", content=body))
    is_harmless(ask(site, f"/api/gate?{quote(EVIL)}", method="POST", content=b"[" * 100_000))
