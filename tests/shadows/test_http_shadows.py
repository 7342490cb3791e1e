"""What every client of HTTP shadows promises, over each of them."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import trustme
from asgi_driver import chunked, http_scope, run
from raw_server import RawServer, read_request
from stub_shadow import Asked, Reply, StubShadow

from shadow_mw import ShadowMiddleware
from shadow_mw.exceptions import ShadowAnswerTooLarge, ShadowProtocolError, ShadowUnreachable
from shadow_mw.records import BUCKETS, Answer, CapturedRequest
from shadow_mw.shadows.fast import FastHTTPShadow
from shadow_mw.shadows.http import HTTPShadow
from shadow_mw.targets import Target
from shadow_mw.testing import drain

CLOSED_PORT = "http://127.0.0.1:9"
MAX_BODY_BYTES = 2000
JSON = (b"content-type", b"application/json")
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture(params=[HTTPShadow, FastHTTPShadow])
def client(request) -> Any:
    return request.param


@pytest.fixture
def authority(monkeypatch, tmp_path):
    """An authority that the shadow's client trusts, as it trusts the public ones."""
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setattr("certifi.where", lambda: str(bundle))
    return authority


def captured(**more: Any) -> CapturedRequest:
    facts: dict[str, Any] = {"method": "POST", "path": "/predict", "headers": (JSON,), "body": b'{"x": 1}'}
    return CapturedRequest(
        exchange_id="e", request_id="r", ts_us=0, route="POST /predict", **{**facts, **more}
    )


def ask(
    client: Any,
    url: str,
    *requests: CapturedRequest,
    headers: dict[str, str] | None = None,
    between: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """The answers to requests that one client sends one after the other."""
    answers = []

    async def main() -> None:
        shadow = client(Target("candidate", url), max_body_bytes=MAX_BODY_BYTES, max_connections=4)
        try:
            with anyio.fail_after(20):
                for request in requests or (captured(),):
                    answers.append(await shadow.ask(request, headers or {}))
                    await anyio.to_thread.run_sync(between)
        finally:
            await shadow.aclose()

    anyio.run(main)
    return answers


def answering(*pieces: bytes) -> Callable[[socket.socket, int], None]:
    """Answer the first request with these bytes, then close."""

    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        for piece in pieces:
            connection.sendall(piece)

    return serve


@pytest.mark.fault("redirects")
def test_the_answer_is_handed_on_whatever_its_status(client):
    for status in (200, 302, 404, 429, 500):
        with StubShadow(
            lambda asked, status=status: Reply(status=status, headers={"location": CLOSED_PORT})
        ) as shadow:
            [answer] = ask(client, shadow.url)
            assert (answer.status, answer.body) == (status, b"{}")
            assert len(shadow.asked) == 1, "no redirect is followed"


def test_only_the_headers_that_tell_how_to_read_the_body_are_kept(client):
    with StubShadow(
        lambda asked: Reply(headers={"Content-Type": "text/plain", "X-Secret": "1", "Content-Encoding": "br"})
    ) as shadow:
        [answer] = ask(client, shadow.url)
    assert answer.headers == ((b"content-type", b"text/plain"), (b"content-encoding", b"br"))


def test_what_is_sent(client):
    with StubShadow() as shadow:
        theirs = (
            JSON,
            (b"accept-encoding", b"gzip"),
            (b"traceparent", b"theirs"),
            (b"accept-language", "fran\xe7ais".encode("latin-1")),
        )
        ask(
            client, shadow.url, captured(headers=theirs), headers={"traceparent": "ours", "X-Request-ID": "7"}
        )
        [asked] = shadow.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/predict", b'{"x": 1}')
    assert {name.lower() for name, _ in asked.headers} == {
        "host",
        "content-type",
        "content-length",
        "accept-encoding",
        "accept-language",
        "traceparent",
        "x-request-id",
        "shadow-request",
    }
    assert asked.header("host") == shadow.url.removeprefix("http://")
    assert asked.header("traceparent") == "ours"
    assert asked.header("accept-encoding") == "identity", "a small compressed answer may be enormous"
    assert asked.header("shadow-request") == "candidate"
    assert asked.header("accept-language") == "fran\xe7ais"


@pytest.mark.parametrize(
    ("target", "path", "query", "asked_for"),
    [
        ("", "/predict", "", "/predict"),
        ("/", "/predict", "a=1&b=%20", "/predict?a=1&b=%20"),
        ("/v2/score", "/predict", "", "/v2/score"),
        ("/v2/score", "/predict", "a=1", "/v2/score?a=1"),
        ("", "/v1/models/a%2Fb:predict", "", "/v1/models/a%2Fb:predict"),
        ("", "//elsewhere.example/predict", "", "/elsewhere.example/predict"),  # the stub joins slashes
        ("", "/@elsewhere.example:80/predict", "", "/@elsewhere.example:80/predict"),
        ("", '/odd" <p\xe9>', "q=\xe9 x", "/odd%22%20%3Cp%E9%3E?q=%E9%20x"),
    ],
)
def test_the_path_that_is_asked(client, target, path, query, asked_for):
    with StubShadow() as shadow:
        ask(client, shadow.url + target, captured(path=path, query=query))
        assert [asked.target for asked in shadow.asked] == [asked_for]


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", b""), ("PUT", b"1"), ("DELETE", b"")])
def test_methods_with_and_without_a_body(client, method, body):
    with StubShadow() as shadow:
        [answer, again] = ask(client, shadow.url, *[captured(method=method, body=body)] * 2)
        assert answer.body == again.body == body
        assert [asked.header("content-length") for asked in shadow.asked] == [
            str(len(body)) if method in ("POST", "PUT") else None
        ] * 2


def test_an_answer_to_head_has_no_body_whatever_it_declares(client):
    def serve(connection: socket.socket, number: int) -> None:
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")

    with RawServer(serve) as server:
        answers = ask(client, server.url, *[captured(method="HEAD", body=b"")] * 2)
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"")] * 2


@pytest.mark.parametrize(
    "headers",
    [((b"x-a", b"1\r\nx-injected: 1"),), ((b"x-a", b"1\nb"),), ((b"x a", b"1"),), ((b"x-a:\r\n", b"1"),)],
)
def test_nothing_can_be_smuggled_into_a_header(client, headers):
    with StubShadow() as shadow:
        with pytest.raises(ShadowProtocolError):
            ask(client, shadow.url, captured(headers=headers))
        assert shadow.asked == []


def test_cookies_are_not_kept(client):
    with StubShadow(lambda asked: Reply(headers={"set-cookie": "tracker=1"})) as shadow:
        ask(client, shadow.url, captured(), captured())
        assert [asked.header("cookie") for asked in shadow.asked] == [None, None]


def test_a_proxy_in_the_environment_is_not_used(client, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, CLOSED_PORT)
    with StubShadow() as shadow:
        ask(client, shadow.url)
        assert len(shadow.asked) == 1


@pytest.mark.fault("refuses", "name-unknown")
@pytest.mark.parametrize("url", [CLOSED_PORT, "http://unknown.invalid", "http://[::1]:9"])
def test_where_nobody_listens_the_shadow_is_unreachable(client, url):
    with pytest.raises(ShadowUnreachable, match=r"."):
        ask(client, url)


@pytest.mark.fault("garbage", "cuts", "header-flood", "huge-answer")
@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ([b"garbage\r\n\r\n"], ShadowProtocolError),
        ([], ShadowProtocolError),
        ([b"HTTP/1.1 200 OK\r\ncontent-le"], ShadowProtocolError),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort"], ShadowProtocolError),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n"], ShadowProtocolError),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno size"], ShadowProtocolError),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc"], ShadowProtocolError),
        ([b"HTTP/1.1 200 OK\r\nx: " + b"y" * 500_000 + b"\r\n\r\n"], ShadowProtocolError),
        ([b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n"], ShadowProtocolError),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 2001\r\n\r\n"], ShadowAnswerTooLarge),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2001], ShadowAnswerTooLarge),
        (
            [
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                *[b"400\r\n" + b"x" * 1024 + b"\r\n"] * 2,
            ],
            ShadowAnswerTooLarge,
        ),
    ],
)
def test_what_is_no_answer_is_an_error_of_ours(client, pieces, error):
    with RawServer(answering(*pieces)) as server, pytest.raises(error, match=r"."):
        ask(client, server.url)


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"until ", b"the end"], b"until the end"),
        ([b"HTTP/1.0 200 OK\r\n\r\n", b"old"], b"old"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], b"{}"),
        ([b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + OK], b"{}"),
        (
            [
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
                b"1;ext=1\r\nc\r\n0\r\n",
                b"x-trailer: 1\r\n\r\n",
            ],
            b"abc",
        ),
    ],
)
def test_every_framing_of_an_answer_is_understood(client, pieces, body):
    with RawServer(answering(*pieces)) as server:
        [answer] = ask(client, server.url)
    assert answer.body == body


@pytest.mark.fault("huge-answer")
def test_an_answer_without_end_is_left_at_the_cap(client):
    sent = 0

    def serve(connection: socket.socket, number: int) -> None:
        nonlocal sent
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 4096)

    with RawServer(serve) as server, pytest.raises(ShadowAnswerTooLarge):
        ask(client, server.url)
    assert sent < 50_000_000, "what the sockets' buffers hold, not what the server would send"


@pytest.mark.fault("header-flood")
def test_headers_without_end_are_left_at_a_cap(client):
    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            connection.sendall(b"y" * 4096)

    with RawServer(serve) as server, pytest.raises(ShadowProtocolError):
        ask(client, server.url)


@pytest.mark.fault("hangs")
def test_a_cancelled_call_gives_its_connection_up_and_the_next_gets_its_own_answer(client):
    """The deadline is a cancellation: a late answer must not be taken for that of the next request."""
    arrived, release = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Reply:
        if asked.body == b'"slow"':
            arrived.set()
            assert release.wait(20)
        return Reply(body=asked.body)

    async def main() -> None:
        shadow = client(Target("candidate", stub.url), max_body_bytes=MAX_BODY_BYTES, max_connections=1)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(shadow.ask, captured(body=b'"slow"'), {})
                await anyio.to_thread.run_sync(arrived.wait, 20)
                group.cancel_scope.cancel()
            release.set()
            for number in range(3):
                body = b"%d" % number
                assert (await shadow.ask(captured(body=body), {})).body == body
            await shadow.aclose()

    with StubShadow(answer) as stub:
        anyio.run(main)


def test_connections_are_kept(client):
    def serve(connection: socket.socket, number: int) -> None:
        while read_request(connection):
            connection.sendall(OK)

    with RawServer(serve) as server:
        ask(client, server.url, *[captured()] * 5)
        assert server.connections == 1


def test_a_connection_that_the_server_closes_after_an_answer_is_not_used_again(client):
    with RawServer(answering(OK)) as server:
        answers = ask(client, server.url, *[captured()] * 3, between=lambda: anyio.run(anyio.sleep, 0.02))
        assert server.connections == 3
    assert len(answers) == 3


@pytest.mark.fault("surplus")
@pytest.mark.parametrize("surplus", [b"x", OK])
def test_what_comes_behind_an_answer_is_never_the_next_answer(client, surplus):
    with RawServer(answering(OK + surplus)) as server:
        answers = ask(client, server.url, captured())
        assert [answer.body for answer in answers] == [b"{}"]


def test_a_large_request_that_is_answered_before_it_was_read_gets_its_answer():
    answered = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        assert answered.wait(20)
        while connection.recv(1 << 20):
            pass

    with RawServer(serve) as server:
        requests = (captured(body=b"x" * 30_000_000), captured(body=b"1"))
        answers = ask(FastHTTPShadow, server.url, *requests, between=answered.set)
        assert [(answer.status, answer.body) for answer in answers] == [(413, b"no")] * 2


class Restarting:
    """Answers the first request on each connection and closes when the second one is on its way."""

    def __init__(self, answers: int) -> None:
        self.requests = 0
        self._answers = answers

    def __call__(self, connection: socket.socket, number: int) -> None:
        for _ in range(self._answers if number == 1 else 0):
            self.requests += bool(read_request(connection))
            connection.sendall(OK)
        self.requests += bool(read_request(connection))


@pytest.mark.fault("restarts")
def test_a_request_that_met_a_stale_connection_is_sent_once_more_and_not_twice():
    serve = Restarting(answers=1)
    with RawServer(serve) as server, pytest.raises(ShadowProtocolError, match="ended before the answer"):
        ask(FastHTTPShadow, server.url, captured(), captured())
    assert (serve.requests, server.connections) == (3, 2)


@pytest.mark.fault("restarts")
def test_a_request_on_a_fresh_connection_is_never_sent_again(client):
    serve = Restarting(answers=0)
    with RawServer(serve) as server, pytest.raises(ShadowProtocolError):
        ask(client, server.url)
    assert (serve.requests, server.connections) == (1, 1)


@pytest.mark.fault("restarts")
def test_a_request_whose_answer_had_begun_is_never_sent_again(client):
    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(OK)
        read_request(connection)
        connection.sendall(b"H")

    with RawServer(serve) as server:
        with pytest.raises(ShadowProtocolError):
            ask(client, server.url, captured(), captured())
        assert server.connections == 1


def served_with(certificate: trustme.LeafCert) -> StubShadow:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    shadow = StubShadow()
    shadow._server.socket = context.wrap_socket(
        shadow._server.socket, server_side=True, do_handshake_on_connect=False
    )
    return shadow


def test_a_trusted_certificate_is_taken(client, authority):
    with served_with(authority.issue_cert("127.0.0.1")) as shadow:
        ask(client, shadow.url.replace("http:", "https:"), captured(), captured())
        assert [asked.body for asked in shadow.asked] == [b'{"x": 1}'] * 2


@pytest.mark.fault("certificate")
def test_a_foreign_expired_or_misnamed_certificate_is_refused(client, authority):
    past = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    for certificate in (
        trustme.CA().issue_cert("127.0.0.1"),
        authority.issue_cert("127.0.0.1", not_before=past, not_after=past + dt.timedelta(days=1)),
        authority.issue_cert("other.example"),
    ):
        with served_with(certificate) as shadow:
            with pytest.raises(ShadowUnreachable, match="certificate"):
                ask(client, shadow.url.replace("http:", "https:"))
            assert shadow.asked == []


def test_a_server_that_speaks_no_tls_is_unreachable_over_https(client):
    with StubShadow() as shadow, pytest.raises(ShadowUnreachable):
        ask(client, shadow.url.replace("http:", "https:"))


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
    await send({"type": "http.response.body", "body": b'{"y": 1}'})


@pytest.mark.fault("errors", "garbage", "huge-answer", "hangs")
@pytest.mark.parametrize("library", ["httpx", "httptools"])
@pytest.mark.parametrize(
    ("answer", "bucket"),
    [
        (Reply(body=b'{"y": 1}'), "compared"),
        (Reply(status=500), "shadow_error"),
        (Reply(raw=b"garbage\r\n\r\n"), "shadow_error"),
        (Reply(body=b"x" * 3000), "shadow_error"),
        (None, "shadow_timeout"),
    ],
)
def test_the_books_close_with_either_library(monkeypatch, library, answer, bucket):
    monkeypatch.setattr("shadow_mw.assembly.shadows.http_client", lambda: library)
    release = threading.Event()

    def reply(asked: Asked) -> Reply:
        return answer or Reply(body=b"late" if release.wait(20) else b"never")

    with StubShadow(reply) as shadow:
        middleware = ShadowMiddleware(
            app,
            targets=shadow.url,
            routes="POST /predict",
            queue="inline:",
            max_body_bytes=2000,
            timeout_seconds=0.5,
        )
        run(middleware, http_scope(headers=[JSON]), chunked(b'{"x": 1}'))
        assert drain(20)
        release.set()
        [one] = middleware._installation.statistics().shadows
    counts = one.routes["POST /predict"]
    assert {word: counts[word] for word in BUCKETS if word in counts} == {bucket: 1}
    assert counts["eligible"] == 1
