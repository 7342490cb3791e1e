"""Whatever a WSGI app does, the server gets the same with the middleware in front as without it."""

from __future__ import annotations

import functools
import io
from typing import Any
from wsgiref.validate import validator

import httpx  # noqa: F401 the worker would import it amid an example; then rich draws a random number
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stub_shadow import StubShadow
from wsgi_driver import FileWrapper, NotingInput, RichInput, Seen, Server, request, serve
from wsgi_scripts import Plan, Scripted, plans, usual

from shadow_mw import ShadowWSGIMiddleware
from shadow_mw.testing import drain

CLOSED_PORT = "http://127.0.0.1:9"
KEYWORDS: dict[str, Any] = {
    "targets": CLOSED_PORT,
    "routes": "POST /predict",
    "store": "none",
    "queue": "inline:",
}


class Swap:
    """An app behind one mirror, which is another app for each example."""

    app: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


@pytest.fixture(scope="module")
def mirrors() -> Any:
    """The middleware in front of a swappable app, made once for each choice of settings."""

    @functools.cache
    def make(**keywords: Any) -> tuple[Swap, ShadowWSGIMiddleware]:
        swap = Swap()
        return swap, ShadowWSGIMiddleware(swap, **{**KEYWORDS, "max_body_bytes": 100, **keywords})

    return make


def outcome(app: Any, plan: Plan, around: Any, environ: dict[str, Any], **server: Any) -> tuple[Any, ...]:
    """Everything that a server and the app itself can tell of one request."""
    scripted = Scripted(plan)
    seen: Seen = serve(around(scripted), environ, **server)
    return seen, scripted.got, scripted.closes


@pytest.mark.fault("odd-app")
@pytest.mark.parametrize("mode", ["async", "sync"])
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.one_of(plans, usual),
    body=st.binary(max_size=20),
    framing=st.sampled_from(["length", "chunked", "none", "wrong", "endless"]),
    make_input=st.sampled_from([NotingInput, RichInput]),
    read_fails_at=st.integers(-3, 3),
    fails_at=st.integers(-5, 3),
    stops_at=st.integers(-5, 2),
    peeks=st.booleans(),
)
def test_any_app_behaves_as_without_us(
    no_exporters, mirrors, mode, plan, body, framing, make_input, read_fails_at, fails_at, stops_at, peeks
):
    swap, middleware = mirrors(mode=mode)

    def mirrored(app: Any) -> Any:
        swap.app = app
        return middleware

    def once(around: Any) -> Any:
        variables: dict[str, Any] = {
            "length": {},
            "chunked": {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"},
            "none": {"CONTENT_LENGTH": None},
            "wrong": {"CONTENT_LENGTH": "\xb2"},
            "endless": {"CONTENT_LENGTH": "9" * 5000},
        }[framing]
        environ = request(body, make_input=functools.partial(make_input, fails_at=read_fails_at), **variables)
        return outcome(None, plan, around, environ, fails_at=fails_at, stops_at=stops_at, peeks=peeks)

    assert once(mirrored) == once(lambda app: app)


class Recording:
    """An app that keeps the very objects it was called with, and returns one of its own."""

    def __init__(self, result: Any = None) -> None:
        self.calls: list[tuple[Any, Any, Any]] = []
        self.result = object() if result is None else result

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.calls.append((environ, environ["wsgi.input"], start_response))
        return self.result


UNTOUCHED = [
    ({"path": "/other"}, {}),
    ({"method": "GET"}, {}),
    ({"path": "/predict/"}, {}),
    ({}, {"enabled": False}),
    ({}, {"targets": ""}),
    ({}, {"sample_rate": 0.0}),
    ({"CONTENT_LENGTH": "101"}, {"max_body_bytes": 100}),
    ({"HTTP_SHADOW_REQUEST": "candidate"}, {}),
    ({"HTTP_BAGGAGE": "a=b, shadow_mw.role=shadow"}, {}),
    ({"HTTP_X_ODD": "\N{SNOWMAN}"}, {}),
    ({"HTTP_X_ODD": 7}, {}),
    ({"REQUEST_METHOD": None}, {}),
]


@pytest.mark.parametrize(("variables", "changes"), UNTOUCHED)
def test_what_is_not_mirrored_goes_through_with_the_very_objects_it_came_with(variables, changes):
    app = Recording()
    environ = request(**variables)
    before = dict(environ)
    start_response = Server().start_response
    assert ShadowWSGIMiddleware(app, **{**KEYWORDS, **changes})(environ, start_response) is app.result
    [(seen, stream, started)] = app.calls
    assert seen is environ
    assert stream is before["wsgi.input"]
    assert started == start_response
    assert environ == before


def answering(result: Any, status: str = "200 OK") -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(status, [("Content-Type", "application/json")])
        return result

    return app


@pytest.mark.parametrize("result", [[], [b"{}"], (b"{", b"}"), FileWrapper(io.BytesIO(b"{}"))])
def test_where_there_is_nothing_to_wait_for_the_server_gets_the_very_object(result):
    middleware = ShadowWSGIMiddleware(answering(result), **KEYWORDS)
    assert middleware(request(b"{}"), Server().start_response) is result


def test_a_file_that_a_function_wraps_goes_through_as_the_server_knows_it():
    file = io.BytesIO(b"{}")
    middleware = ShadowWSGIMiddleware(answering(file), **KEYWORDS)
    environ = request(b"{}", wsgi__file_wrapper=lambda file, size=0: file)
    assert middleware(environ, Server().start_response) is file


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_body_the_input_is_not_touched(method):
    app = Recording([])
    environ = request(b"", method)
    stream = environ["wsgi.input"]
    ShadowWSGIMiddleware(app, **{**KEYWORDS, "routes": f"{method} /predict"})(
        environ, Server().start_response
    )
    assert app.calls[0][1] is stream


def test_the_app_and_the_server_see_the_same_environ():
    app = Recording([])
    environ = request(b"{}")
    ShadowWSGIMiddleware(app, **KEYWORDS)(environ, Server().start_response)
    assert app.calls[0][0] is environ


def test_the_body_is_neither_read_ahead_nor_copied():
    chunk = b'{"x": ' + b"1" * 3000 + b"}"
    seen: list[bytes] = []

    class Input(NotingInput):
        def read(self, *size: int) -> bytes:
            super().read(*size)
            return chunk

    def app(environ: Any, start_response: Any) -> Any:
        stream = environ["wsgi.input"]
        assert stream.calls == []
        seen.append(stream.read(len(chunk)))
        start_response("200 OK", [])
        yield seen[0]

    answer = serve(ShadowWSGIMiddleware(app, **KEYWORDS), request(chunk, make_input=Input))
    assert seen[0] is chunk
    assert answer.calls == [("read", len(chunk))]
    assert answer.events[-1][1] is chunk


def test_an_input_can_be_wrapped_by_the_library_that_reads_it():
    body = b"line 1\nline 2\n"
    lines: list[list[bytes]] = []

    class Raw(io.BytesIO):
        def readable(self) -> bool:
            return True

    def app(environ: Any, start_response: Any) -> Any:
        with environ["wsgi.input"] as stream:
            lines.append(io.BufferedReader(stream).readlines())
        start_response("200 OK", [])
        return [b"{}"]

    with StubShadow() as shadow:
        middleware = ShadowWSGIMiddleware(app, **{**KEYWORDS, "targets": shadow.url})
        serve(middleware, request(body, make_input=Raw))
        shadow.wait_for(1)
        assert shadow.asked[0].body == body
    assert lines == [[b"line 1\n", b"line 2\n"]]


@pytest.mark.parametrize("kind", ["list", "generator", "write"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_both_sides_keep_to_the_protocol(kind, method):
    def app(environ: Any, start_response: Any) -> Any:
        if method == "POST":
            assert environ["wsgi.input"].read(2) == b"{}"
        write = start_response("200 OK", [("Content-Type", "application/json")])
        if kind == "write":
            write(b"{}")
        return iter([b"{", b"}"]) if kind == "generator" else [b"{}"]

    environ = request(b"{}" if method == "POST" else b"", method)
    environ = {**environ, "wsgi.errors": io.StringIO(), "CONTENT_LENGTH": environ["CONTENT_LENGTH"]}
    middleware = ShadowWSGIMiddleware(
        validator(app), **{**KEYWORDS, "routes": f"{method} /predict", "echo_request_id": True}
    )
    answer = serve(validator(middleware), environ)
    assert answer.error is None
    assert answer.body in (b"{}", b"{}{}")


def test_a_response_is_touched_only_when_the_request_id_is_asked_for():
    app = answering([b"{}"])
    plain = serve(ShadowWSGIMiddleware(app, **KEYWORDS), request(b"{}", HTTP_X_REQUEST_ID="abc-1"))
    middleware = ShadowWSGIMiddleware(app, echo_request_id=True, **KEYWORDS)
    echoed = serve(middleware, request(b"{}", HTTP_X_REQUEST_ID="abc-1"))
    assert plain == serve(app, request(b"{}"))
    assert echoed.events[0][2] == [*plain.events[0][2], ("x-request-id", "abc-1")]
    assert echoed.events[1:] == plain.events[1:]
    assert drain()


def test_a_request_leaves_no_garbage():
    import gc
    import weakref

    class Marker(str):
        __slots__ = ("__weakref__",)

    def ask() -> weakref.ref[Any]:
        marker = Marker("garbage")
        environ = request(b"{}", marker=marker)
        serve(middleware, environ)
        return weakref.ref(marker)

    middleware = ShadowWSGIMiddleware(answering(iter([b"{}"])), **KEYWORDS)
    gc.disable()
    try:
        assert ask()() is None
    finally:
        gc.enable()
