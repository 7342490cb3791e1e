"""What the records say of comparators and segments, through app, worker and store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asgi_driver import chunked, http_scope, run
from stub_shadow import Reply, StubShadow

from shadow_mw import ShadowMiddleware
from shadow_mw.records import Comparison
from shadow_mw.testing import drain

PREDICTIONS: dict[str, Any] = {
    "/price": {"price": 7.5},
    "/species": {"species": "setosa"},
    "/batch": {"predictions": [0, 1, 1]},
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    body = json.dumps(PREDICTIONS[scope["path"]]).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask every route and give the comparison of each."""

    def ask(features: Any, **keywords: Any) -> dict[str, Comparison]:
        routes = [f"POST {path}" for path in PREDICTIONS]
        with StubShadow(lambda asked: Reply(body=b'{"predictions": [0, 1, 0], "model": "b"}')) as shadow:
            store = {"queue": "inline:", "store": str(tmp_path / "store")}
            middleware = ShadowMiddleware(app, targets=shadow.url, routes=routes, **store, **keywords)
            for path in PREDICTIONS:
                headers = [(b"content-type", b"application/json")]
                run(
                    middleware, http_scope(path=path, headers=headers), chunked(json.dumps(features).encode())
                )
            assert drain(20)
        lines = [
            line
            for segment in (tmp_path / "store" / "hot").glob("*.jsonl")
            for line in segment.read_bytes().splitlines()
            if b'"comparison"' in line[:40]
        ]
        found = [msgspec.json.decode(line, type=Comparison) for line in lines]
        return {one.route.removeprefix("POST "): one for one in found}

    return ask


def test_each_route_is_judged_by_its_own_pick(records: Any) -> None:
    found = records({"instances": [[1], [2], [3]]})
    names = {route: one.comparator for route, one in found.items()}
    assert names == {"/price": "auto:close", "/species": "auto:label", "/batch": "auto:label"}
    batch = found["/batch"]
    assert (batch.verdict, batch.items, batch.items_agree) == ("disagree", 3, 2)
    assert batch.diff_paths == ("$.predictions[2]",)
    assert found["/price"].production_score == 7.5


def test_a_comparator_can_be_named_for_a_route(records: Any) -> None:
    found = records({}, compare="POST /batch=exact, POST /price=proba(0.2), *=close")
    names = {route: one.comparator for route, one in found.items()}
    assert names == {"/price": "proba(0.2)", "/species": "close", "/batch": "exact"}
    assert found["/batch"].diff_paths == ("$.predictions[2]", "$.model")


@pytest.mark.parametrize(
    ("keywords", "segments"),
    [
        ({}, {"country": "NL", "age": "20 to 50"}),
        ({"segments": "plan=user.plan, country"}, {"plan": "gold", "country": "NL"}),
        ({"segments": "plan=user.plan", "redact": "plan"}, {}),
        ({"segments": "none"}, {}),
    ],
)
def test_the_segments_of_an_exchange(records: Any, keywords: Any, segments: dict[str, str]) -> None:
    features = {"country": "NL", "age": 44, "token": "abc", "user": {"plan": "gold"}}
    assert records(features, **keywords)["/price"].segments == segments
