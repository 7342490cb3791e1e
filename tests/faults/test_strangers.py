"""Requests that are a shadow's own, or say so: answered as any other, and never mirrored again."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mirrored_app import ANSWER, MirroredApp
from process_tools import DEADLINE_SECONDS, Program, comparisons
from stub_shadow import StubShadow

MARKS = {
    "by its header": {"shadow-request": "candidate"},
    "by its baggage": {"baggage": "user=1,shadow_mw.role=shadow"},
}


@pytest.fixture
def next_app(start: Callable[..., Program], shadow: StubShadow) -> Program:
    """A server that mirrors to a shadow of its own."""
    return start("-m", "uvicorn", "process_app:app", "--port", "0", SHADOW_TARGETS=shadow.url)


@pytest.mark.fault("chain")
@pytest.mark.parametrize("mode", ["async", "sync"])
def test_what_an_app_mirrors_to_another_is_not_mirrored_once_more(
    library: str,
    next_app: Program,
    shadow: StubShadow,
    mirrored: Callable[..., MirroredApp],
    mode: str,
) -> None:
    app = mirrored(f"http://127.0.0.1:{next_app.port}", mode=mode, queue="inline:")
    app.ask(times=5)
    assert app.counts() == {"eligible": 5, "compared": 5, "agree": 5}
    assert next_app.statistics() == {"loop": 5}
    assert shadow.asked == []


@pytest.mark.fault("forged-mark")
def test_a_caller_that_claims_to_be_a_shadow_gets_the_same_answer(
    next_app: Program, shadow: StubShadow
) -> None:
    def answer(headers: dict[str, str]) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", next_app.port, timeout=DEADLINE_SECONDS)
        try:
            connection.request("POST", "/predict", ANSWER, {"content-type": "application/json", **headers})
            got = connection.getresponse()
            kept = [(name, value) for name, value in got.getheaders() if name.lower() != "date"]
            return got.status, kept, got.read()
        finally:
            connection.close()

    honest = answer({})
    assert honest[0] == 200
    for headers in MARKS.values():
        assert answer(headers) == honest
    assert next_app.statistics() == {"eligible": 1, "compared": 1, "agree": 1, "loop": len(MARKS)}
    assert len(shadow.asked) == 1


def test_a_request_id_that_comes_twice_names_two_records(
    mirrored: Callable[..., MirroredApp], shadow: StubShadow, tmp_path: Path
) -> None:
    app = mirrored(shadow.url)
    app.ask(times=3, headers=[(b"x-request-id", b"chosen-by-the-caller")])
    assert app.counts()["compared"] == 3
    app.close()
    found = comparisons(tmp_path / "store")
    assert {one["request_id"] for one in found} == {"chosen-by-the-caller"}
    assert len({one["record_id"] for one in found}) == 3
