"""Production mirrored to a shadow that writes: what the caller, the database and the record say."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from asgi_driver import chunked, http_scope, run
from fastapi import FastAPI
from guard_site import MARKED, Site

from shadow_mw import Comparison, ShadowMiddleware, Tally
from shadow_mw.records import Pulse
from shadow_mw.testing import drain

JSON = [(b"content-type", b"application/json")]


def production() -> FastAPI:
    app = FastAPI()

    @app.post("/predict")
    async def predict(features: dict[str, float]) -> dict[str, float]:
        return {"price": 3.0 * features["rooms"]}

    @app.post("/do/by_session")
    async def boldly(features: dict[str, float]) -> dict[str, float]:
        return {"price": 3.0}

    return app


def stored(tmp_path: Path) -> list[Comparison]:
    records = [
        msgspec.json.decode(line, type=Comparison | Tally | Pulse)
        for segment in (tmp_path / "store" / "hot").glob("*.jsonl")
        for line in segment.read_bytes().splitlines()
    ]
    return [record for record in records if isinstance(record, Comparison)]


@pytest.mark.fault("writes")
def test_a_shadow_that_writes_is_compared_and_writes_nothing(blocking: Site, tmp_path):
    app, before = production(), blocking.written()
    mirrored = ShadowMiddleware(app, targets=blocking.url, routes="POST /predict")
    bodies = [json.dumps({"rooms": number}).encode() for number in range(5)]
    for body in bodies:
        bare = run(app, http_scope(headers=JSON), chunked(body))
        assert run(mirrored, http_scope(headers=JSON), chunked(body)) == bare
    assert drain()
    assert [(one.outcome, one.verdict) for one in stored(tmp_path)] == [("answered", "agree")] * 5
    assert blocking.written() == before


def test_a_shadow_that_can_do_nothing_without_writing_is_recorded_as_one_that_failed(blocking, tmp_path):
    app, before = production(), blocking.written()
    path = "/do/by_session"
    mirrored = ShadowMiddleware(app, targets=blocking.url, routes=f"POST {path}")
    bare = run(app, http_scope(path=path, headers=JSON), chunked(b"{}"))
    assert run(mirrored, http_scope(path=path, headers=JSON), chunked(b"{}")) == bare
    assert drain()
    assert [(one.outcome, one.shadow_status) for one in stored(tmp_path)] == [("error", 500)]
    assert blocking.written() == before


@pytest.mark.fault("writes")
def test_the_same_server_writes_for_its_own_callers(blocking: Site):
    before = blocking.written()["rows"]
    assert blocking.ask("/predict", json={"rooms": 2}).json() == {"price": 6.0}
    assert len(blocking.written()["rows"]) == len(before) + 1


@pytest.mark.parametrize("blocking", ["flask"], indirect=True)
def test_what_is_written_while_a_body_is_streamed_is_watched_too(blocking: Site):
    assert blocking.ask("/stream/by_requests", MARKED).text == "first,ShadowWriteBlocked"
    assert blocking.ask("/stream/by_requests").text == "first,written"
