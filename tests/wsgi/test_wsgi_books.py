"""What becomes of a WSGI exchange: what the shadow is asked, and how it ends in the books and the store."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from stub_shadow import Asked, Reply, StubShadow
from wsgi_driver import NotingInput, RichInput, request, serve

from shadow_mw import Comparison, ShadowWSGIMiddleware, Tally
from shadow_mw.records import BUCKETS, Pulse
from shadow_mw.testing import drain

JSON = [("Content-Type", "application/json")]
BODY = b'{"x":\n [1, 2]}\n'


def answering(body: Any = (b'{"y": 1}',), status: str = "200 OK", headers: Any = JSON) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(status, list(headers))
        return body

    return app


class Mirrored:
    """An app behind the middleware, with what one looks at afterwards."""

    def __init__(self, app: Any, targets: str, **keywords: Any) -> None:
        keywords = {"routes": "POST /predict", "queue": "inline:", **keywords}
        self.middleware = ShadowWSGIMiddleware(app, targets=targets, **keywords)

    def ask(self, body: bytes = BODY, **variables: Any) -> Any:
        return serve(self.middleware, request(body, HTTP_X_REQUEST_ID="abc-1", **variables))

    def counts(self) -> dict[str, int]:
        """The books after everything is done; they must close."""
        assert drain(20)
        installation = self.middleware._installation
        assert installation is not None
        [shadow] = installation.statistics().shadows
        counts: dict[str, int] = {}
        for words in shadow.routes.values():
            for word, count in words.items():
                counts[word] = counts.get(word, 0) + count
        assert sum(counts.get(bucket, 0) for bucket in BUCKETS) == counts.get("eligible", 0), counts
        return counts


def stored(tmp_path: Path) -> list[Comparison]:
    records = [
        msgspec.json.decode(line, type=Comparison | Tally | Pulse)
        for segment in (tmp_path / "store" / "hot").glob("*.jsonl")
        for line in segment.read_bytes().splitlines()
    ]
    return [record for record in records if isinstance(record, Comparison)]


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("form", ["list", "generator", "write", "late start"])
def test_both_predictions_are_recorded(tmp_path, form, mode):
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read()
        if form == "late start":
            return late(start_response)
        write = start_response("200 OK", JSON)
        if form == "write":
            write(b'{"y"')
            return [b": 1}"]
        return iter([b'{"y"', b": 1}"]) if form == "generator" else [b'{"y"', b": 1}"]

    def late(start_response: Any) -> Any:
        start_response("200 OK", JSON)
        yield b'{"y"'
        yield b": 1}"

    with StubShadow(lambda asked: Reply(body=b'{"y": 2}')) as shadow:
        mirrored = Mirrored(app, f"candidate={shadow.url}", mode=mode)
        mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, "compared": 1, "disagree": 1}
        [asked] = shadow.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/predict", BODY)
    assert asked.header("content-type") == "application/json"
    [record] = stored(tmp_path)
    assert (record.shadow, record.request_id, record.route) == ("candidate", "abc-1", "POST /predict")
    assert (record.verdict, record.diff_paths, record.mode) == ("disagree", ("$.y",), mode)
    assert (record.production_prediction, record.shadow_prediction) == ('{"y":1}', '{"y":2}')
    assert record.features == '{"x":[1,2]}'


WAYS_TO_READ = {
    "read": lambda stream: stream.read(),
    "read -1": lambda stream: stream.read(-1),
    "read None": lambda stream: stream.read(None),
    "read to the end": lambda stream: [stream.read(size) for size in (0, 4, 100, 4)],
    "read by 1": lambda stream: list(iter(lambda: stream.read(1), b"")),
    "readline": lambda stream: list(iter(stream.readline, b"")),
    "readline by 2": lambda stream: list(iter(lambda: stream.readline(2), b"")),
    "readlines": lambda stream: stream.readlines(),
    "readlines by 3": lambda stream: list(iter(lambda: stream.readlines(3), [])),
    "iteration": list,
    "iteration by hand": lambda stream: [next(stream, None) for _ in range(5)],
    "a line, then all": lambda stream: (stream.readline(), stream.read()),
    "read1": lambda stream: list(iter(lambda: stream.read1(3), b"")),
    "readinto": lambda stream: [stream.readinto(bytearray(4)) for _ in range(6)],
    "nothing, seek, all": lambda stream: (stream.read(0), stream.seek(0), stream.read()),
}
FRAMINGS: dict[str, dict[str, Any]] = {
    "length": {},
    "chunked": {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked", "wsgi__input_terminated": True},
}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("way", WAYS_TO_READ)
def test_however_the_app_reads_the_shadow_gets_the_whole_body(way, framing):
    def app(environ: Any, start_response: Any) -> Any:
        WAYS_TO_READ[way](environ["wsgi.input"])
        start_response("200 OK", JSON)
        return [BODY]

    with StubShadow() as shadow:
        mirrored = Mirrored(app, shadow.url)
        mirrored.ask(make_input=RichInput, **FRAMINGS[framing])
        assert mirrored.counts() == {"eligible": 1, "compared": 1, "agree": 1}
        assert [asked.body for asked in shadow.asked] == [BODY]


@pytest.mark.fault("half-read")
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    "way",
    [
        lambda stream: None,
        lambda stream: stream.read(0),
        lambda stream: stream.read(5),
        lambda stream: (stream.read(5), stream.seek(0), stream.read()),
        lambda stream: (stream.read(5), stream.seek(0), stream.read(len(BODY) - 5)),
        lambda stream: next(iter(stream)),
        lambda stream: stream.tell(),
    ],
)
def test_what_the_app_did_not_read_whole_and_in_order_is_not_mirrored(way, framing):
    def app(environ: Any, start_response: Any) -> Any:
        way(environ["wsgi.input"])
        start_response("401 Unauthorized", [])
        return []

    with StubShadow() as shadow:
        mirrored = Mirrored(app, shadow.url)
        mirrored.ask(make_input=RichInput, **FRAMINGS[framing])
        assert mirrored.counts() == {"request_incomplete": 1}
        assert shadow.asked == []


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_what_is_read_after_the_answer_changes_nothing(mode):
    def app(environ: Any, start_response: Any) -> Any:
        start_response("401 Unauthorized", [])
        return []

    with StubShadow() as shadow:
        mirrored = Mirrored(app, shadow.url, mode=mode)
        environ = request(BODY)
        serve(mirrored.middleware, environ)
        assert environ["wsgi.input"].read() == BODY
        assert mirrored.counts() == {"request_incomplete": 1}
        assert shadow.asked == []


@pytest.mark.fault("leaves-upload")
def test_an_upload_that_breaks_off_is_not_mirrored():
    with StubShadow() as shadow:
        for make_input in (lambda body: NotingInput(body[:4]), lambda body: NotingInput(body, fails_at=0)):
            mirrored = Mirrored(answering(), shadow.url)
            mirrored.ask(make_input=make_input)
            assert mirrored.counts() == {"request_incomplete": 1}
        assert shadow.asked == []


NO_BODY = [
    ("GET", {"CONTENT_LENGTH": None}),
    ("GET", {"CONTENT_LENGTH": ""}),
    ("HEAD", {"CONTENT_LENGTH": ""}),
    ("DELETE", {"CONTENT_LENGTH": None, "SERVER_PROTOCOL": "HTTP/2"}),
    ("POST", {"CONTENT_LENGTH": "0"}),
    ("POST", {"CONTENT_LENGTH": None, "SERVER_PROTOCOL": "HTTP/1.1"}),
]


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize(("method", "variables"), NO_BODY)
def test_a_request_without_a_body_is_complete_from_the_start(method, variables, mode):
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", JSON)
        return [] if method == "HEAD" else [b"{}"]

    with StubShadow(lambda asked: Reply(body=b"" if method == "HEAD" else b"{}")) as shadow:
        mirrored = Mirrored(app, shadow.url, routes=f"{method} /predict", mode=mode)
        mirrored.ask(b"", method=method, QUERY_STRING="x=1&y=%20", **variables)
        assert mirrored.counts() == {"eligible": 1, "compared": 1, "agree": 1}
        assert [(asked.method, asked.target, asked.body) for asked in shadow.asked] == [
            (method, "/predict?x=1&y=%20", b"")
        ]


def test_over_http2_a_post_without_a_length_may_have_a_body():
    with StubShadow() as shadow:
        mirrored = Mirrored(answering(), shadow.url)
        mirrored.ask(CONTENT_LENGTH=None, SERVER_PROTOCOL="HTTP/2")
        assert mirrored.counts() == {"request_incomplete": 1}


def _boom(environ: Any, start_response: Any) -> Any:
    environ["wsgi.input"].read()
    raise ValueError("the app's own")


def _late_boom(environ: Any, start_response: Any) -> Any:
    environ["wsgi.input"].read()
    start_response("200 OK", JSON)
    yield b"half"
    raise ValueError("the app's own")


def _replaced(environ: Any, start_response: Any) -> Any:
    environ["wsgi.input"].read()
    start_response("200 OK", JSON)
    try:
        raise ValueError("after the first start")
    except ValueError as error:
        start_response("500 Oops", JSON, (type(error), error, error.__traceback__))
    return [b"{}"]


def _streamed(*chunks: Any) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read()
        start_response("200 OK", JSON)
        yield from chunks

    return app


FAILURES = {
    "raises": (_boom, {}, "ValueError"),
    "raises in the middle": (_late_boom, {}, "ValueError"),
    "an error status": (answering(status="404 Not Found"), {}, "404"),
    "another status by exc_info": (_replaced, {}, "500"),
    "text instead of bytes": (answering(["text"]), {}, "TypeError"),
    "text in a stream": (_streamed(b"{", "}"), {}, "TypeError"),
    "never starts": (lambda environ, start: [environ["wsgi.input"].read()], {}, "no_response"),
    "the client leaves": (_streamed(b"{", b"}"), {"fails_at": 1}, "incomplete_response"),
}


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("name", FAILURES)
def test_where_production_fails_the_shadow_is_asked_all_the_same(tmp_path, name, mode):
    app, server, reason = FAILURES[name]
    with StubShadow() as shadow:
        mirrored = Mirrored(app, shadow.url, mode=mode)
        serve(mirrored.middleware, request(BODY), **server)
        assert mirrored.counts() == {"eligible": 1, "production_error": 1}
        assert [asked.body for asked in shadow.asked] == [BODY]
    [record] = stored(tmp_path)
    assert (record.production_outcome, record.production_error_type) == ("error", reason)
    assert (record.outcome, record.verdict) == ("answered", "none")


def test_a_file_is_answered_but_cannot_be_compared(tmp_path):
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read()
        start_response("200 OK", JSON)
        return environ["wsgi.file_wrapper"](io.BytesIO(b'{"y": 1}'))

    with StubShadow() as shadow:
        mirrored = Mirrored(app, shadow.url)
        seen = mirrored.ask()
        assert mirrored.counts() == {"eligible": 1, "incomparable": 1}
    assert seen.body == b'{"y": 1}'
    assert seen.events[1] == ("result", True, False, None)
    [record] = stored(tmp_path)
    assert record.production_outcome == "answered"


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_bodies_over_the_cap_are_counted(mode):
    with StubShadow() as shadow:
        for body, framing, answer in [
            (b"x" * 101, FRAMINGS["length"], b"{}"),
            (b"x" * 101, FRAMINGS["chunked"], b"{}"),
            (b"{}", FRAMINGS["length"], b"x" * 101),
        ]:
            app = _reading_all(iter([answer[:50], answer[50:]]))
            mirrored = Mirrored(app, shadow.url, mode=mode, max_body_bytes=100)
            seen = mirrored.ask(body, **framing)
            assert mirrored.counts() == {"eligible": 1, "too_large": 1}
            assert seen.body == answer


def _reading_all(result: Any) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read()
        start_response("200 OK", JSON)
        return result

    return app


def test_in_sync_mode_the_shadow_is_asked_before_production_answers():
    arrived = threading.Event()

    def answer(asked: Asked) -> Reply:
        arrived.set()
        return Reply(body=b"{}")

    def app(environ: Any, start_response: Any) -> Any:
        stream = environ["wsgi.input"]
        stream.read(len(BODY))
        assert arrived.wait(20), "the shadow must be asked while production still works"
        start_response("200 OK", JSON)
        return [b"{}"]

    with StubShadow(answer) as shadow:
        mirrored = Mirrored(app, shadow.url, mode="sync")
        assert mirrored.ask().error is None
        assert mirrored.counts() == {"eligible": 1, "compared": 1, "agree": 1}


def test_the_time_that_the_server_takes_to_send_is_not_productions(tmp_path):
    with StubShadow(lambda asked: Reply(body=b"{}")) as shadow:
        mirrored = Mirrored(_reading_all(iter([b"{}"])), shadow.url)
        before = time.perf_counter()
        result = iter(mirrored.middleware(request(BODY), lambda *_: None))
        next(result)
        answered = time.perf_counter()
        assert mirrored.counts() == {}, "the last chunk is known for the last only when asked for another"
        while time.perf_counter() - answered <= answered - before:
            pass
        assert next(result, None) is None
        mirrored.counts()
    [record] = stored(tmp_path)
    assert record.production_us <= (answered - before) * 1e6


PATHS = [
    ("/v1/models/a b", {}, "/v1/models/a%20b"),
    ("/v1/models/caf\xc3\xa9", {}, "/v1/models/caf%C3%A9"),
    ("/v1/models/a b", {"RAW_URI": "/v1/models/a%20b?x=1"}, "/v1/models/a%20b"),
    ("/v1/models/a~b", {"REQUEST_URI": "/v1/models/%61%7Eb"}, "/v1/models/%61%7Eb"),
    ("/v1/models/a", {"RAW_URI": "http://host:80/v1/models/%61"}, "/v1/models/%61"),
    ("/v1/models/a", {"SCRIPT_NAME": "/api x", "RAW_URI": "/api%20x/v1/models/%61"}, "/v1/models/%61"),
    ("/v1/models/a", {"RAW_URI": "/before/a/middleware/changed/it"}, "/v1/models/a"),
    ("/v1/models/a", {"RAW_URI": "/other/v1/models/%61"}, "/v1/models/a"),
]


@pytest.mark.parametrize(("path", "variables", "target"), PATHS)
def test_the_shadow_is_asked_at_the_path_as_the_caller_spelled_it(path, variables, target):
    with StubShadow() as shadow:
        mirrored = Mirrored(answering((BODY,)), shadow.url, routes="POST /v1/models/{name}")
        mirrored.ask(path=path, QUERY_STRING="a=%20&b", **variables)
        assert mirrored.counts() == {"eligible": 1, "compared": 1, "agree": 1}
        assert [asked.target for asked in shadow.asked] == [f"{target}?a=%20&b"]


def test_a_route_is_matched_as_text():
    with StubShadow() as shadow:
        mirrored = Mirrored(answering((BODY,)), shadow.url, routes="POST /café")
        mirrored.ask(path="/caf\xc3\xa9")
        assert mirrored.counts()["eligible"] == 1
        mirrored.ask(path="/caf\xff")
        assert mirrored.counts()["eligible"] == 1


def test_credentials_stay_at_home_and_listed_headers_go_out():
    secrets = {"HTTP_AUTHORIZATION": "s3cret", "HTTP_COOKIE": "s3cret", "HTTP_X_API_KEY": "s3cret"}
    with StubShadow() as shadow:
        mirrored = Mirrored(
            answering(), shadow.url, forward_headers="X-Tenant, Content-Type, Content-Encoding"
        )
        mirrored.ask(
            HTTP_X_TENANT="bl\xfce", HTTP_CONTENT_ENCODING="identity", HTTP_CONTENT_TYPE="twice", **secrets
        )
        mirrored.counts()
        [asked] = shadow.asked
    assert "s3cret" not in repr(asked.headers)
    assert (asked.header("x-tenant"), asked.header("content-type")) == ("bl\xfce", "application/json")
    assert asked.header("content-encoding") == "identity"


def test_what_the_policy_leaves_out_stands_beside_the_books():
    with StubShadow() as shadow:
        sampled_out = Mirrored(answering(), shadow.url, sample_rate=0.0)
        sampled_out.ask()
        assert sampled_out.counts() == {"not_sampled": 1}
        loop = Mirrored(answering(), shadow.url)
        loop.ask(HTTP_SHADOW_REQUEST="candidate")
        assert loop.counts() == {"loop": 1}
        assert shadow.asked == []


def test_an_exchange_is_handed_over_although_nobody_closes_the_response():
    with StubShadow(lambda asked: Reply(body=b"{}")) as shadow:
        mirrored = Mirrored(_reading_all(iter([b"{}"])), shadow.url)
        result = mirrored.middleware(request(BODY), lambda *_: None)
        assert list(result) == [b"{}"]
        assert mirrored.counts() == {"eligible": 1, "compared": 1, "agree": 1}
