"""In front of every framework, on every loop: the caller sees no difference, the shadow gets its copy."""

from __future__ import annotations

import dataclasses
import gzip
import json
import zlib

import framework_model as model
import pytest
from asgi_caller import LOOPS, Call, call_on
from framework_table import FRAMEWORKS

# Django leaves the spooled request body to the garbage collector when a streaming response raises.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <function SpooledTemporaryFile")

JSON = (b"content-type", b"application/json")
FEATURES = b'{"x": [1, 2, 3]}'
GZIPPED = gzip.compress(FEATURES, mtime=0)

MIRRORED = {
    "json": (Call(), "compared"),
    "query": (Call("/predict?x=1&x=2.5&odd=%2F%20", "GET", (b"",), ()), "compared"),
    "head": (Call("/predict?x=1", "HEAD", (b"",), ()), "compared"),
    "chunked": (Call(chunks=(b'{"x":', b"", b" [1, 2,", b" 3]}")), "compared"),
    "empty body": (Call(chunks=(b"",), headers=()), "compared"),
    "gzip'ed request": (
        Call("/gzip", chunks=(GZIPPED,), headers=((b"content-encoding", b"gzip"),)),
        "compared",
    ),
    "path parameter": (Call("/v1/models/iris:predict"), "compared"),
    "percent-encoded path": (
        Call("/v1/models/caf%C3%A9%20%2b:predict", path="/v1/models/café +:predict"),
        "compared",
    ),
    "streamed both ways": (Call("/stream", chunks=(b"abc", b"def", b"ghi"), headers=()), "compared"),
    "server-sent events": (Call("/events"), "compared"),
    "204": (Call("/status/204"), "compared"),
    "307": (Call("/status/307"), "production_error"),
    "404": (Call("/status/404"), "production_error"),
    "500": (Call("/status/500"), "production_error"),
    "raises before the start": (Call("/boom"), "production_error"),
    "raises after the start": (Call("/late-boom"), "production_error"),
    "repeated headers": (
        Call("/headers", headers=(JSON, (b"x-tag", b"1"), (b"cookie", b"c=3"), (b"x-tag", b"2"))),
        "compared",
    ),
}

ANYIO_BASED = ("bare", "starlette", "fastapi")
EVERYWHERE = [
    (framework, loop)
    for framework in FRAMEWORKS
    for loop in LOOPS
    if loop != "trio" or framework in ANYIO_BASED
]


@pytest.mark.parametrize("name", MIRRORED)
@pytest.mark.parametrize(("framework", "loop"), EVERYWHERE)
def test_the_caller_sees_no_difference_and_the_shadow_is_asked_the_same(apps, framework, loop, name):
    one, bucket = MIRRORED[name]
    both = apps(framework)
    bare = call_on(loop, both.bare, one)
    mirrored, asked, books = both.watch.after(lambda: call_on(loop, both.mirrored, one))
    assert mirrored == bare
    assert [(ask.method, ask.target, ask.body) for ask in asked] == [
        (one.method, one.target, b"".join(one.chunks))
    ]
    assert books == {"eligible": 1, bucket: 1}


def test_the_apps_of_these_tests_do_what_they_are_for(apps):
    for framework in FRAMEWORKS:
        bare = apps(framework).bare
        assert json.loads(call_on("asyncio", bare, Call()).body) == {"y": 6}, framework
        streamed = call_on("asyncio", bare, MIRRORED["streamed both ways"][0])
        assert (streamed.body, streamed.is_complete) == (b"ABCDEFGHI", True), framework
        assert call_on("asyncio", bare, MIRRORED["gzip'ed request"][0]).status // 100 == 2, framework
        late = call_on("asyncio", bare, MIRRORED["raises after the start"][0])
        assert (late.body, late.is_complete) == (b"half", False), framework
        cookies = [value for name, value in call_on("asyncio", bare, MIRRORED["repeated headers"][0]).headers
                   if name.lower() == b"set-cookie"]  # fmt: skip
        assert len(cookies) == 2, framework


FILE = Call("/file")
FILE_WITHOUT_PATHSEND = Call("/file", scope={"extensions": {}})


@pytest.mark.parametrize("one", [FILE, FILE_WITHOUT_PATHSEND], ids=["pathsend offered", "no pathsend"])
@pytest.mark.parametrize(("framework", "loop"), EVERYWHERE)
def test_files_go_out_as_the_framework_sends_them(apps, framework, loop, one):
    both = apps(framework)
    bare = call_on(loop, both.bare, one)
    mirrored, asked, books = both.watch.after(lambda: call_on(loop, both.mirrored, one))
    assert mirrored == bare
    assert len(asked) == 1
    seen = "incomparable" if bare.others else "too_large" if len(bare.body) > 4096 else "compared"
    assert books == {"eligible": 1, seen: 1}
    assert bare.others or bare.body == model.FILE.read_bytes()


LARGE = b'{"x": [' + b"1," * 4000 + b"1]}"


@pytest.mark.parametrize("chunks", [(LARGE,), (LARGE[:2000], LARGE[2000:3000], LARGE[3000:])])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_body_over_the_cap_is_counted_and_served_whole(apps, framework, chunks):
    both = apps(framework)
    one = Call(chunks=chunks)
    bare = call_on("asyncio", both.bare, one)
    mirrored, asked, books = both.watch.after(lambda: call_on("asyncio", both.mirrored, one))
    assert mirrored == bare
    assert json.loads(bare.body) == {"y": 4001}
    assert asked == []
    assert books == {"eligible": 1, "too_large": 1}


@pytest.mark.parametrize(
    "one", [Call("/status/418"), Call("/nowhere"), Call("/predict", "DELETE"), Call("/predict/")]
)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_routes_that_are_not_listed_are_not_mirrored(apps, framework, one):
    both = apps(framework, routes="POST /predict, POST /status/{code}/x")
    bare = call_on("asyncio", both.bare, one)
    mirrored, asked, books = both.watch.after(lambda: call_on("asyncio", both.mirrored, one))
    assert mirrored == bare
    assert (asked, books) == ([], {})


@pytest.mark.parametrize("name", MIRRORED)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_nothing_changes_where_the_shadow_is_asked_beside_production(apps, framework, name):
    one, bucket = MIRRORED[name]
    both = apps(framework, mode="sync")
    bare = call_on("asyncio", both.bare, one)
    mirrored, asked, books = both.watch.after(lambda: call_on("asyncio", both.mirrored, one))
    assert mirrored == bare
    assert [(ask.method, ask.target, ask.body) for ask in asked] == [
        (one.method, one.target, b"".join(one.chunks))
    ]
    assert books == {"eligible": 1, bucket: 1}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_shadow_gets_content_headers_but_no_credentials(apps, encoding):
    both = apps("starlette")
    secrets = [
        (b"authorization", b"Bearer s3cret"),
        (b"cookie", b"session=s3cret"),
        (b"x-api-key", b"s3cret"),
    ]
    headers = (JSON, (b"content-encoding", encoding.encode()), *secrets)
    body = GZIPPED if encoding == "gzip" else FEATURES
    one = Call("/gzip" if encoding == "gzip" else "/predict", chunks=(body,), headers=headers)
    _, [asked], _ = both.watch.after(lambda: call_on("asyncio", both.mirrored, one))
    assert (asked.header("content-type"), asked.header("content-encoding")) == ("application/json", encoding)
    assert "s3cret" not in str(asked.headers)


@pytest.mark.fault("leaves-upload")
def test_a_caller_that_leaves_during_the_upload_is_not_mirrored(apps):
    one = Call(chunks=(b'{"x":', b" [1, 2,", b" 3]}"), sends=2)
    for framework in ANYIO_BASED:
        both = apps(framework)
        bare = call_on("asyncio", both.bare, one)
        mirrored, asked, books = both.watch.after(lambda both=both: call_on("asyncio", both.mirrored, one))
        assert mirrored == bare, framework
        assert (asked, books) == ([], {"request_incomplete": 1}), framework


@pytest.mark.fault("leaves-answer")
@pytest.mark.parametrize("framework", ["starlette", "fastapi", "litestar", "quart", "django"])
def test_a_caller_that_leaves_during_the_response_is_no_prediction(apps, framework):
    one = dataclasses.replace(
        MIRRORED["server-sent events"][0], leaves_after=2, scope={"asgi": {"spec_version": "2.0"}}
    )
    both = apps(framework)
    bare = call_on("asyncio", both.bare, one)
    mirrored, asked, books = both.watch.after(lambda: call_on("asyncio", both.mirrored, one))
    assert mirrored == bare
    assert len(asked) == 1
    # The app may just have handed over the last byte when it was cancelled; then there is a prediction.
    assert books in ({"eligible": 1, "production_error": 1}, {"eligible": 1, "compared": 1})


def test_a_deflated_body_passes_as_it_is(apps):
    both = apps("bare")
    one = Call("/stream", chunks=(zlib.compress(FEATURES),), headers=((b"content-encoding", b"deflate"),))
    mirrored, [asked], _ = both.watch.after(lambda: call_on("asyncio", both.mirrored, one))
    assert mirrored == call_on("asyncio", both.bare, one)
    assert (asked.body, asked.header("content-encoding")) == (one.chunks[0], "deflate")
