"""Whatever an app does, the caller gets the same with the middleware in front as without it."""

from __future__ import annotations

from typing import Any

import pytest
from asgi_driver import chunked, http_scope, run
from asgi_scripts import header_lists, octets, scripted, step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stub_shadow import StubShadow

from shadow_mw import ShadowMiddleware
from shadow_mw.testing import drain

CLOSED_PORT = "http://127.0.0.1:9"


@pytest.mark.fault("odd-app")
@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=st.lists(step, max_size=8),
    chunks=st.lists(octets, max_size=4),
    headers=header_lists,
    cut=st.booleans(),
    fail_send_at=st.integers(-1, 3),
)
def test_any_app_behaves_as_without_us(
    no_exporters, mode, backend, script, chunks, headers, cut, fail_send_at
):
    app = scripted(script)
    incoming = chunked(*chunks)[: -1 if cut else None]
    scope = http_scope(headers=headers)
    bare = run(app, scope, incoming, backend, fail_send_at=fail_send_at)
    middleware = ShadowMiddleware(
        app, targets=CLOSED_PORT, routes="POST /predict", mode=mode, max_body_bytes=100, store="none"
    )
    mirrored = run(middleware, scope, incoming, backend, fail_send_at=fail_send_at)
    assert mirrored == bare


def echo_app(reply: bytes = b'{"y": 1}') -> Any:
    return scripted(
        [
            "read all",
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json")],
            },
            {"type": "http.response.body", "body": reply},
        ]
    )


class Recording:
    """An app that keeps the very objects it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append((scope, receive, send))


async def _receive() -> Any: ...  # pragma: no cover


async def _send(message: Any) -> None: ...  # pragma: no cover


UNTOUCHED = [
    (http_scope(path="/other"), {}),
    (http_scope(method="GET"), {}),
    (http_scope(path="/predict/"), {}),
    ({"type": "websocket", "path": "/predict", "headers": []}, {}),
    ({"type": "lifespan"}, {}),
    ({"type": "something.new"}, {}),
    (http_scope(), {"enabled": False}),
    (http_scope(), {"targets": ""}),
    (http_scope(), {"sample_rate": 0.0}),
    (http_scope(headers=[(b"content-length", b"101")]), {"max_body_bytes": 100}),
    (http_scope(headers=[(b"shadow-request", b"candidate")]), {}),
    (http_scope(headers=[(b"baggage", b"a=b, shadow_mw.role=shadow")]), {}),
]


@pytest.mark.fault("other-scopes")
@pytest.mark.anyio
@pytest.mark.parametrize(("scope", "changes"), UNTOUCHED)
async def test_what_is_not_mirrored_gets_the_very_receive_and_send_it_came_with(scope, changes):
    app = Recording()
    keywords = {"targets": CLOSED_PORT, "routes": "POST /predict", **changes}
    await ShadowMiddleware(app, **keywords)(scope, _receive, _send)
    [(seen_scope, receive, send)] = app.calls
    assert seen_scope is scope
    assert receive is _receive
    assert send is _send


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.fault("unread")
def test_the_body_is_neither_read_ahead_nor_copied():
    chunk = b'{"x": ' + b"1" * 3000 + b"}"
    seen: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": seen[0]})

    middleware = ShadowMiddleware(app, targets=CLOSED_PORT, routes="POST /predict")
    outcome = run(middleware, http_scope(), chunked(chunk))
    assert outcome.reads == 1
    assert seen[0] is chunk
    assert outcome.sent[1]["body"] is chunk


def test_the_shadow_gets_the_bytes_that_production_got():
    with StubShadow() as shadow:
        middleware = ShadowMiddleware(echo_app(), targets=shadow.url, routes="POST /predict")
        scope = http_scope(headers=[(b"content-type", b"application/json")], query_string=b"a=1&b=%20")
        run(middleware, scope, chunked(b'{"x":', b" [1, 2", b"]}"))
        shadow.wait_for(1)
        [asked] = shadow.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/predict?a=1&b=%20", b'{"x": [1, 2]}')
    assert asked.header("content-type") == "application/json"


def test_a_response_is_touched_only_when_the_request_id_is_asked_for():
    scope = http_scope(headers=[(b"x-request-id", b"abc-1")])
    keywords: dict[str, Any] = {"targets": CLOSED_PORT, "routes": "POST /predict"}
    plain = run(ShadowMiddleware(echo_app(), **keywords), scope, chunked(b"{}"))
    echoed = run(ShadowMiddleware(echo_app(), echo_request_id=True, **keywords), scope, chunked(b"{}"))
    assert plain == run(echo_app(), scope, chunked(b"{}"))
    assert echoed.sent[0]["headers"] == [*plain.sent[0]["headers"], (b"x-request-id", b"abc-1")]
    assert drain()
