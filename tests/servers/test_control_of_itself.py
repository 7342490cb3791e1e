"""`SHADOW_CONTROL=self`: a server is asked once more by its own mirror, and mirrors that no further."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx
import msgspec
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from stub_shadow import Reply, StubShadow

from shadow_mw import Comparison, ShadowMiddleware, ShadowWSGIMiddleware
from shadow_mw.testing import drain

SETTINGS = {
    "routes": "POST /predict",
    "control": "self",
    "control_routes": "POST /predict",
    "control_rate": 1.0,
}
BODY = b'{"x": [1, 2]}'


class Production:
    """A model that notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes, bool]] = []

    def answer(self, path: str, body: bytes, is_marked: bool) -> dict[str, int]:
        self.asked.append((path, body, is_marked))
        return {"y": 1}


@contextlib.contextmanager
def asgi_server(production: Production, target: str) -> Iterator[str]:
    async def predict(request):
        is_marked = "shadow-request" in request.headers
        return JSONResponse(production.answer(request.url.path, await request.body(), is_marked))

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    app.add_middleware(ShadowMiddleware, targets=target, **SETTINGS)
    mounted = Starlette(routes=[Mount("/v1/a b", app)])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(mounted, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/a%20b"
    finally:
        server.should_exit = True
        thread.join(20)


@contextlib.contextmanager
def wsgi_server(production: Production, target: str) -> Iterator[str]:
    def predict(environ, start_response):
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        answer = production.answer(environ["PATH_INFO"], body, "HTTP_SHADOW_REQUEST" in environ)
        start_response("200 OK", [("content-type", "application/json")])
        return [json.dumps(answer).encode()]

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    app = ShadowWSGIMiddleware(predict, targets=target, **SETTINGS)
    with make_server("127.0.0.1", 0, app, server_class=Server, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(20)


@pytest.mark.parametrize("serve", [asgi_server, wsgi_server])
def test_production_is_asked_once_more_and_compared_with_itself(tmp_path, serve):
    production = Production()
    with (
        StubShadow(lambda asked: Reply(body=b'{"y": 2}')) as shadow,
        serve(production, shadow.url) as url,
        httpx.Client(trust_env=False) as client,
    ):
        answers = [client.post(f"{url}/predict", content=BODY).json() for _ in range(2)]
        assert drain(20)
    assert answers == [{"y": 1}] * 2
    assert sorted(is_marked for _, _, is_marked in production.asked) == [False, False, True, True]
    assert len({(path, body) for path, body, _ in production.asked}) == 1
    assert len(shadow.asked) == 2
    assert sorted((one.role, one.verdict, one.production_us > 0) for one in comparisons(tmp_path)) == [
        ("control", "agree", True),
        ("control", "agree", True),
        ("shadow", "disagree", True),
        ("shadow", "disagree", True),
    ]


def comparisons(folder) -> list[Comparison]:
    lines = [
        line for file in (folder / "store" / "hot").glob("*.jsonl") for line in file.read_bytes().splitlines()
    ]
    return [msgspec.json.decode(line, type=Comparison) for line in lines if b'"kind":"comparison"' in line]
