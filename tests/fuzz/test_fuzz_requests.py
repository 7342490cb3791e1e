"""What a caller sends: never anything but answered as without the mirror, and no id that could do harm."""

from __future__ import annotations

import re
import sys

import pytest
from asgi_driver import chunked, http_scope, run
from fuzz_material import latin, odd
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shadow_mw import ShadowMiddleware, ShadowWSGIMiddleware
from shadow_mw.environ import path_of, raw_path_of
from shadow_mw.exceptions import SettingsError
from shadow_mw.ids import accepted_request_id, trace_id_of
from shadow_mw.records import CapturedRequest
from shadow_mw.routes import RouteTable, Segment, parse_route
from shadow_mw.shadows.request_target import request_target
from shadow_mw.telemetry.context import MARK, is_marked

TERMS = {"routes": "POST /predict/{name}, POST /predict", "targets": "http://127.0.0.1:9", "store": "none"}
_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,128}")
header_values = st.one_of(
    st.binary(max_size=140),
    st.sampled_from(
        [
            b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
            b"00-" + b"0" * 32 + b"-" + b"b" * 16 + b"-01",
            b"ff-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01-" + b"x" * 200,
            MARK.encode(),
            b"a=b," * 300 + MARK.encode(),
            b"shadow_mw.role=%73hadow;x",
            b"9" * 5000,
            b"\r\nSet-Cookie: a=b",
        ]
    ),
)
headers = st.lists(
    st.tuples(
        st.sampled_from(
            [b"x-request-id", b"traceparent", b"tracestate", b"baggage", b"content-type", b"content-length"]
        )
        | st.binary(max_size=10),
        header_values,
    ),
    max_size=6,
)


async def echo(scope, receive, send):
    """Answers with all that came, so that whatever is altered shows."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    told = repr(
        (scope["path"], scope.get("raw_path"), scope["query_string"], scope["headers"], body)
    ).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-echo", b"1")]})
    await send({"type": "http.response.body", "body": told})


@pytest.fixture(scope="module")
def offered():
    """What is mirrored of each request, nothing of it sent."""
    return []


@pytest.fixture(scope="module")
def mirroring(offered):
    with pytest.MonkeyPatch.context() as patch:
        for signal in ("TRACES", "METRICS"):
            patch.setenv(f"OTEL_{signal}_EXPORTER", "none")
        patch.setenv("SHADOW_QUEUE", "inline:")
        yield ShadowMiddleware(echo, **TERMS)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    headers=headers,
    path=odd,
    raw=st.none() | st.binary(max_size=40),
    query=st.binary(max_size=40),
    body=st.binary(max_size=99),
)
def test_whatever_an_asgi_request_says_it_is_answered_as_without_the_mirror(
    mirroring, headers, path, raw, query, body
):
    for where in ("/predict", f"/predict/{path}", path):
        scope = {**http_scope(headers=headers), "path": where, "raw_path": raw, "query_string": query}
        assert run(mirroring, scope, chunked(body)) == run(echo, dict(scope), chunked(body))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(header_values)
def test_no_request_id_leaves_its_alphabet(value: bytes) -> None:
    text = value.decode("latin-1")
    for found in (accepted_request_id(text), trace_id_of(text)):
        assert found is None or _ALLOWED.fullmatch(found)
    assert isinstance(is_marked(text), bool)


def wsgi_echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("X-Echo", "1")])
    told = {key: value for key, value in environ.items() if not key.startswith("wsgi.")}
    return [repr((sorted(told.items()), body)).encode("utf-8", "surrogatepass")]


def served(app, environ, body):
    import io

    started = []
    environ = {
        **environ,
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
    }
    result = app(environ, lambda *given: started.append(given[:2]))
    try:
        return started, list(result)
    finally:
        getattr(result, "close", lambda: None)()


@pytest.fixture(scope="module")
def wsgi_mirroring():
    with pytest.MonkeyPatch.context() as patch:
        for signal in ("TRACES", "METRICS"):
            patch.setenv(f"OTEL_{signal}_EXPORTER", "none")
        patch.setenv("SHADOW_QUEUE", "inline:")
        yield ShadowWSGIMiddleware(wsgi_echo, **TERMS)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    path=latin | odd,
    more=st.dictionaries(
        st.sampled_from(
            [
                "SCRIPT_NAME",
                "QUERY_STRING",
                "RAW_URI",
                "REQUEST_URI",
                "CONTENT_TYPE",
                "CONTENT_LENGTH",
                "HTTP_X_REQUEST_ID",
                "HTTP_TRACEPARENT",
                "HTTP_TRACESTATE",
                "HTTP_BAGGAGE",
                "HTTP_TRANSFER_ENCODING",
                "SERVER_NAME",
                "SERVER_PORT",
            ]
        ),
        latin | odd,
    ),
    body=st.binary(max_size=99),
)
@example("/predict/\xff%00\xc3", {"RAW_URI": "//[?#", "SCRIPT_NAME": "\ud800"}, b"")
def test_whatever_a_wsgi_environ_says_it_is_answered_as_without_the_mirror(wsgi_mirroring, path, more, body):
    for where in ("/predict", f"/predict/{path}", path):
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": where, **more}
        assert served(wsgi_mirroring, dict(environ), body) == served(wsgi_echo, dict(environ), body)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(latin, latin, latin)
def test_the_path_of_any_environ_can_be_sent_to_a_shadow(path: str, raw: str, query: str) -> None:
    environ = {"PATH_INFO": "/" + path, "RAW_URI": raw, "QUERY_STRING": query}
    assert isinstance(path_of(environ), str)
    sent = request_target(raw_path_of(environ).encode("latin-1"), query)
    assert re.fullmatch(rb"[\x21-\x7e]+", sent)


@settings(deadline=None)
@given(st.one_of(odd, st.builds("POST /{}".format, odd)), odd)
def test_any_text_is_a_route_or_refused_with_a_sentence(text: str, path: str) -> None:
    try:
        route = parse_route(text)
    except SettingsError:
        return
    assert parse_route(str(route)) == route
    RouteTable([route]).find("POST", path)


def test_a_hostile_path_costs_one_look_for_each_part_of_it(monkeypatch) -> None:
    looks = 0
    matches = Segment.matches

    def counted(self, text):
        nonlocal looks
        looks += 1
        return matches(self, text)

    monkeypatch.setattr(Segment, "matches", counted)
    parts = 2000
    table = RouteTable([parse_route("POST " + "/a{x}a" * parts)])
    for path in ("/aaa" * parts, "/aaa" * (parts - 1) + "/aab", "/" + "a" * 100_000, "/" * (parts + 5)):
        looks = 0
        table.find("POST", path)
        assert looks <= parts + 1


def test_what_is_taken_of_a_request_is_plain_whatever_it_says(mirroring) -> None:
    from shadow_mw.capture import Head, Terms

    terms = Terms(
        origin="o",
        request_id_header=b"x-request-id",
        forwarded=frozenset({b"accept"}),
        sample_rate=1.0,
        mode="async",
    )
    route = parse_route("POST /predict")

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(headers, latin, latin)
    def run_one(fields, path, query):
        taken = Head(terms, 1, route, path, query, fields).request(0, b"", ("", ""))
        assert isinstance(taken, CapturedRequest)
        assert _ALLOWED.fullmatch(taken.request_id)
        assert all(name == b"accept" for name, _ in taken.headers)

    run_one()
