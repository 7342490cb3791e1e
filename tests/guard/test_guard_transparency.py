"""Whatever an app does, it does the same behind the guard, where the request is not marked."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from asgi_driver import chunked, http_scope, run
from asgi_scripts import header_lists, octets, scripted, step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wsgi_driver import NotingInput, Server, request, serve
from wsgi_scripts import Scripted, plans, usual

from shadow_mw.guard import ShadowGuardMiddleware, ShadowGuardWSGIMiddleware
from shadow_mw.guard.engagement import restored

MARK = (b"shadow-request", b"candidate")
FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def on(monkeypatch):
    monkeypatch.setenv("SHADOW_GUARD", "block")
    with restored():
        yield


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("is_marked", [False, True])
@FEW
@given(
    script=st.lists(step, max_size=8),
    chunks=st.lists(octets, max_size=4),
    headers=header_lists,
    fail_send_at=st.integers(-1, 3),
)
def test_any_asgi_app_behaves_as_without_it(on, backend, is_marked, script, chunks, headers, fail_send_at):
    app, incoming = scripted(script), chunked(*chunks)
    scope = http_scope(headers=[*headers, MARK] if is_marked else headers)
    bare = run(app, scope, incoming, backend, fail_send_at=fail_send_at)
    guarded = run(ShadowGuardMiddleware(app), scope, incoming, backend, fail_send_at=fail_send_at)
    if is_marked:
        for message in guarded.sent:
            if message.get("type") == "http.response.start":
                assert message["headers"].pop() == (b"shadow-guard", b"blocked=0")
    assert guarded == bare


@FEW
@given(plan=st.one_of(plans, usual), body=st.binary(max_size=20), fails_at=st.integers(-5, 3))
def test_any_wsgi_app_behaves_as_without_it(on, plan, body, fails_at):
    def once(around: Any) -> Any:
        app = Scripted(plan)
        environ = request(body, make_input=functools.partial(NotingInput))
        return serve(around(app), environ, fails_at=fails_at), app.got, app.closes

    assert once(ShadowGuardWSGIMiddleware) == once(lambda app: app)


class Recording:
    """An app that keeps the very objects it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append((scope, receive, send))


async def _receive() -> Any: ...  # pragma: no cover


async def _send(message: Any) -> None: ...  # pragma: no cover


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("is_on", [False, True])
@pytest.mark.parametrize("kind", ["http", "http marked", "websocket", "lifespan", "something.new"])
async def test_what_is_not_watched_gets_the_very_objects_it_came_with(monkeypatch, is_on, kind):
    if is_on:
        monkeypatch.setenv("SHADOW_GUARD", "block")
    kind, _, marked = kind.partition(" ")
    scope = {**http_scope(headers=[MARK] if marked else []), "type": kind}
    app = Recording()
    with restored():
        await ShadowGuardMiddleware(app)(scope, _receive, _send)
    [(seen, receive, send)] = app.calls
    assert (seen is scope, receive is _receive) == (True, True)
    assert (send is _send) is not (is_on and bool(marked))


@pytest.mark.parametrize("is_on", [False, True])
def test_in_wsgi_too(monkeypatch, is_on):
    if is_on:
        monkeypatch.setenv("SHADOW_GUARD", "block")
    result, calls = object(), []
    environ, start_response = request(b"{}"), Server().start_response

    def app(*arguments: Any) -> Any:
        calls.append(arguments)
        return result

    with restored():
        assert ShadowGuardWSGIMiddleware(app)(environ, start_response) is result
    assert calls == [(environ, start_response)]
    assert calls[0][0] is environ


def test_a_marked_file_goes_to_the_server_as_it_is(on):
    environ = request(b"{}", HTTP_SHADOW_REQUEST="candidate")
    result = environ["wsgi.file_wrapper"](NotingInput(b"abc"))
    app = ShadowGuardWSGIMiddleware(lambda environ, start: result)
    assert app(environ, Server().start_response) is result
