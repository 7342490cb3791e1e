"""In front of Flask and Django: the caller sees no difference, the shadow gets its copy."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import app_wsgi_django
import app_wsgi_flask
import pytest
from stub_shadow import Asked, Reply, StubShadow
from werkzeug.test import Client, EnvironBuilder

from shadow_mw import ShadowWSGIMiddleware, statistics
from shadow_mw.records import BUCKETS, SKIPS
from shadow_mw.testing import drain

FRAMEWORKS = {"flask": app_wsgi_flask, "django": app_wsgi_django}
ROUTES = (
    "POST /predict, GET /predict, HEAD /predict, POST /gzip, POST /form, POST /stream, POST /status/{code},"
    "POST /boom, POST /late-boom, POST /file, POST /cookies, POST /unread, POST /v1/models/{name}:predict"
)
FEATURES = b'{"x": [1, 2, 3]}'
GZIPPED = gzip.compress(FEATURES, mtime=0)
FORM = (
    b"--b\r\ncontent-disposition: form-data; name=x\r\n\r\n1\r\n"
    b"--b\r\ncontent-disposition: form-data; name=upload; filename=f\r\n\r\nabc\r\n--b--\r\n"
)
_numbers = itertools.count()


@dataclass
class Call:
    """One request."""

    target: str = "/predict"
    method: str = "POST"
    body: bytes = FEATURES
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, Any]:
        path, _, query = self.target.partition("?")
        builder = EnvironBuilder(
            path=path,
            query_string=query,
            method=self.method,
            data=self.body or None,
            content_type=self.content_type,
            headers=self.headers,
        )
        environ = builder.get_environ()
        return {**environ, "wsgi.input": io.BytesIO(self.body)}


#: The shadow always answers with a number by name, which is comparable only with its like.
MIRRORED = {
    "json": (Call(), "compared"),
    "query": (Call("/predict?x=1&x=2.5&odd=%2F%20", "GET", b"", ""), "compared"),
    "head": (Call("/predict?x=1", "HEAD", b"", ""), "compared"),
    "form": (Call("/form", body=FORM, content_type="multipart/form-data; boundary=b"), "compared"),
    "gzip'ed request": (Call("/gzip", body=GZIPPED, headers={"Content-Encoding": "gzip"}), "compared"),
    "path parameter": (Call("/v1/models/iris:predict"), "incomparable"),
    "percent-encoded path": (Call("/v1/models/caf%C3%A9%20+:predict"), "incomparable"),
    "streamed both ways": (Call("/stream", body=b"abcdefgh", content_type="text/plain"), "incomparable"),
    "204": (Call("/status/204"), "compared"),
    "304": (Call("/status/304"), "production_error"),
    "404": (Call("/status/404"), "production_error"),
    "500": (Call("/status/500"), "production_error"),
    "raises": (Call("/boom"), "production_error"),
    "raises in the middle": (Call("/late-boom"), "production_error"),
    "repeated headers": (Call("/cookies"), "compared"),
}


@dataclass
class Watch:
    """One app twice: as it is, and with the one line; and what the mirror did."""

    bare: Any
    mirrored: Any
    name: str
    shadow: StubShadow

    def counts(self) -> dict[str, int]:
        words = ("eligible", *BUCKETS, *SKIPS)
        shadows = [one for mirror in statistics() for one in mirror.shadows if one.shadow == self.name]
        return {word: sum(one.count(word) for one in shadows) for word in words}

    def after(self, act: Callable[[], Any]) -> tuple[Any, list[Asked], dict[str, int]]:
        """What `act` returns, what the shadow was asked for it, and what was added to the books."""
        before = self.counts()
        self.shadow.asked.clear()
        result = act()
        assert drain()
        after = self.counts()
        return (
            result,
            list(self.shadow.asked),
            {word: after[word] - before[word] for word in after if after[word] > before[word]},
        )


def _answer(asked: Asked) -> Reply:
    return Reply(body=b"" if asked.method == "HEAD" else b'{"y": 6}')


@pytest.fixture(scope="module")
def watches() -> Iterator[dict[tuple[str, str], Watch]]:
    made = {}
    with StubShadow(_answer) as shadow:
        for framework, mode in itertools.product(FRAMEWORKS, ("async", "sync")):
            name = f"watched-wsgi-{next(_numbers)}"
            app = FRAMEWORKS[framework].make()
            app_to_mirror = FRAMEWORKS[framework].make()
            settings = {"targets": f"{name}={shadow.url}", "routes": ROUTES, "mode": mode, "store": "none"}
            mirrored = ShadowWSGIMiddleware(app_to_mirror, queue="inline:", max_body_bytes=9000, **settings)
            made[framework, mode] = Watch(app, mirrored, name, shadow)
        yield made


def answer_of(app: Any, call: Call) -> tuple[Any, ...]:
    """Status, headers, body and error of one call."""
    chunks: list[bytes] = []
    status = headers = None
    try:
        response = Client(app).open(call.environ(), buffered=False)
        status, headers = response.status, list(response.headers)
        chunks.extend(response.response)
        response.close()
    except Exception as error:
        return status, headers, b"".join(chunks), repr(error)
    return status, headers, b"".join(chunks), None


@pytest.mark.parametrize("name", MIRRORED)
@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_caller_sees_no_difference_and_the_shadow_is_asked_the_same(watches, framework, mode, name):
    call, bucket = MIRRORED[name]
    watch = watches[framework, mode]
    bare = answer_of(watch.bare, call)
    mirrored, asked, books = watch.after(lambda: answer_of(watch.mirrored, call))
    assert mirrored == bare
    assert [(ask.method, ask.target, ask.body) for ask in asked] == [(call.method, call.target, call.body)]
    assert books == {"eligible": 1, bucket: 1}


def test_the_apps_of_these_tests_do_what_they_are_for(watches):
    for framework in FRAMEWORKS:
        bare = watches[framework, "async"].bare
        assert json.loads(answer_of(bare, Call())[2]) == {"y": 6}
        assert answer_of(bare, MIRRORED["streamed both ways"][0])[2] == b"ABCDEFGH"
        assert b'"size"' in answer_of(bare, MIRRORED["form"][0])[2]
        assert "ModelError" in answer_of(bare, MIRRORED["raises in the middle"][0])[3]
        headers = answer_of(bare, MIRRORED["repeated headers"][0])[1]
        assert len([name for name, _ in headers if name.lower() == "set-cookie"]) == 2


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_files_go_out_as_the_framework_sends_them(watches, framework):
    watch = watches[framework, "async"]
    bare = answer_of(watch.bare, Call("/file"))
    mirrored, [asked], books = watch.after(lambda: answer_of(watch.mirrored, Call("/file")))
    assert mirrored == bare
    assert bare[2] == app_wsgi_flask.FILE.read_bytes()
    assert asked.body == FEATURES
    assert books["eligible"] == 1


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_body_that_the_app_does_not_read_is_not_mirrored(watches, framework):
    watch = watches[framework, "async"]
    bare = answer_of(watch.bare, Call("/unread"))
    mirrored, asked, books = watch.after(lambda: answer_of(watch.mirrored, Call("/unread")))
    assert mirrored == bare
    assert bare[0].startswith("401")
    assert (asked, books) == ([], {"request_incomplete": 1})


def test_in_the_tests_of_a_flask_app_drain_waits_for_the_shadow():
    app = app_wsgi_flask.make()
    with StubShadow(_answer) as shadow:
        app.wsgi_app = ShadowWSGIMiddleware(
            app.wsgi_app, targets=shadow.url, routes="POST /predict", store="none", queue="inline:"
        )
        response = app.test_client().post("/predict", json={"x": [1, 2, 3]})
        assert response.get_json() == {"y": 6}
        assert drain()
        assert len(shadow.asked) == 1
