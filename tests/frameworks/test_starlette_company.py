"""Beside Starlette's own background tasks, compression, mounts and streams."""

from __future__ import annotations

import gzip
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import app_fastapi
import app_starlette
import pytest
from asgi_caller import LOOPS, Call, call_on
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from stub_shadow import Asked, Reply, StubShadow

from shadow_mw import ShadowMiddleware
from shadow_mw.testing import drain

ANSWER = b'{"y": 6}'


def with_background(task: BackgroundTask) -> Starlette:
    async def predict(request: Request) -> Response:
        await request.body()
        return Response(ANSWER, media_type="application/json", background=task)

    return Starlette(routes=[Route("/predict", predict, methods=["POST"])])


@pytest.mark.parametrize("loop", LOOPS)
def test_a_background_task_does_not_hold_the_mirror_up(watch, loop):
    async def wait_for_the_shadow() -> None:
        await anyio.to_thread.run_sync(watch.shadow.wait_for, 1)

    app = with_background(BackgroundTask(wait_for_the_shadow))
    app.add_middleware(ShadowMiddleware, **watch.settings())
    reply, asked, books = watch.after(lambda: call_on(loop, app, Call()))
    assert (reply.error, reply.body, len(asked)) == ("", ANSWER, 1)
    assert books == {"eligible": 1, "compared": 1}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_background_task_that_fails_is_no_failure_of_the_prediction(watch, loop):
    async def fail() -> None:
        raise RuntimeError("the task's own")

    bare = call_on(loop, with_background(BackgroundTask(fail)), Call())
    app = with_background(BackgroundTask(fail))
    app.add_middleware(ShadowMiddleware, **watch.settings())
    mirrored, asked, books = watch.after(lambda: call_on(loop, app, Call()))
    assert mirrored == bare
    assert "the task's own" in bare.error
    assert (len(asked), books) == (1, {"eligible": 1, "compared": 1})


def compressed(mirror: dict[str, Any] | None, *, is_inside: bool) -> Starlette:
    async def predict(request: Request) -> Response:
        await request.body()
        return Response(b'{"y":' + b" " * 600 + b"6}", media_type="application/json")

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    layers = [(GZipMiddleware, {}), *([] if mirror is None else [(ShadowMiddleware, mirror)])]
    for layer, settings in layers if is_inside else reversed(layers):
        app.add_middleware(layer, **settings)
    return app


@pytest.mark.parametrize("is_inside", [True, False], ids=["inside ours", "outside ours"])
def test_compression_by_the_framework_is_seen_through(watch, is_inside):
    accepting = Call(headers=((b"accept-encoding", b"gzip"),))
    bare = call_on("asyncio", compressed(None, is_inside=is_inside), accepting)
    app = compressed(watch.settings(), is_inside=is_inside)
    mirrored, _, books = watch.after(lambda: call_on("asyncio", app, accepting))
    assert mirrored == bare
    assert bare.header(b"content-encoding") == b"gzip"
    assert gzip.decompress(bare.body).split() == [b'{"y":', b"6}"]
    assert books == {"eligible": 1, "compared": 1}
    assert watch.count("agree") == 1


def test_a_mounted_app_is_mirrored_by_its_own_paths(watch):
    outer = Starlette(routes=[Mount("/api", app_starlette.make(watch.settings()))])
    bare = call_on(
        "asyncio", Starlette(routes=[Mount("/api", app_starlette.make(None))]), Call("/api/predict?a=1")
    )
    mirrored, [asked], books = watch.after(lambda: call_on("asyncio", outer, Call("/api/predict?a=1")))
    assert mirrored == bare
    assert (bare.status, asked.target, books) == (200, "/predict?a=1", {"eligible": 1, "compared": 1})


def test_in_front_of_a_mount_the_whole_path_counts(watch):
    outer = Starlette(routes=[Mount("/api", app_starlette.make(None))])
    outer.add_middleware(ShadowMiddleware, **watch.settings(routes="POST /api/predict"))
    _, [asked], books = watch.after(lambda: call_on("asyncio", outer, Call("/api/predict")))
    assert (asked.target, books) == ("/api/predict", {"eligible": 1, "compared": 1})


@pytest.mark.parametrize("make", [app_starlette.make, app_fastapi.make])
@pytest.mark.parametrize("target", ["/v1/api/v1/models/iris:predict", "/v1/api/v1/models/caf%C3%A9:predict"])
def test_a_root_path_of_the_server_is_no_part_of_the_route(watch, make, target):
    one = Call(target, path=target.replace("%C3%A9", "é"), scope={"root_path": "/v1/api"})
    bare = call_on("asyncio", make(None), one)
    app = make(watch.settings())
    mirrored, [asked], _ = watch.after(lambda: call_on("asyncio", app, one))
    assert mirrored == bare
    assert (bare.status, asked.target) == (200, target.removeprefix("/v1/api"))


def test_a_root_path_that_the_proxy_has_cut_off_already(watch):
    app = app_fastapi.make(watch.settings())
    one = Call("/predict?x=1", scope={"root_path": "/proxy"})
    reply, [asked], _ = watch.after(lambda: call_on("asyncio", app, one))
    assert (reply.status, asked.target) == (200, "/predict?x=1")


@pytest.mark.fault("streams")
@pytest.mark.parametrize("loop", LOOPS)
def test_each_chunk_of_a_stream_reaches_the_caller_before_the_next_is_made(watch, loop):
    heard = threading.Semaphore(0)

    async def predict(request: Request) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            for chunk in (b"a", b"b", b"c"):
                yield chunk
                assert heard.acquire(blocking=False), "the chunk has not arrived"

        await request.body()
        return StreamingResponse(chunks())

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    app.add_middleware(ShadowMiddleware, **watch.settings())
    one = Call(hears=lambda message: heard.release() if message.get("body") else None)
    assert call_on(loop, app, one).error == ""
    assert drain()


@pytest.mark.fault("slow", "trio")
@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("loop", LOOPS)
def test_the_caller_waits_for_no_shadow(loop, mode):
    has_answered = threading.Event()

    def answer(asked: Asked) -> Reply:
        assert has_answered.wait(20)
        return Reply(body=ANSWER)

    with StubShadow(answer) as shadow:
        app = app_starlette.make(None)
        settings = {"targets": shadow.url, "routes": "POST /predict", "queue": "inline:", "store": "none"}
        app.add_middleware(ShadowMiddleware, mode=mode, **settings)
        reply = call_on(loop, app, Call())
        has_answered.set()
        assert (reply.status, reply.body) == (200, ANSWER)
        assert drain()
        assert len(shadow.asked) == 1


def test_a_broken_request_of_the_caller_is_no_prediction(watch):
    app = app_fastapi.make(watch.settings())
    bare = call_on("asyncio", app_fastapi.make(None), Call(chunks=(b'{"x": "no list"}',)))
    mirrored, asked, books = watch.after(lambda: call_on("asyncio", app, Call(chunks=(b'{"x": "no list"}',))))
    assert mirrored == bare
    assert (bare.status, len(asked), books) == (422, 1, {"eligible": 1, "production_error": 1})
