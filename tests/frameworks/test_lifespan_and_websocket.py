"""Start and stop of an app, its state and its websockets stay its own."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import app_django
import pytest
from asgi_caller import LOOPS, Call, call
from asgi_driver import http_scope
from fastapi import FastAPI, WebSocket
from litestar import Litestar
from litestar import WebSocket as LitestarSocket
from litestar.handlers import websocket
from quart import Quart
from quart import websocket as quart_socket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from shadow_mw import ShadowMiddleware

Log = list[str]


async def predict(request: Request) -> JSONResponse:
    await request.body()
    return JSONResponse({"model": request.state.model})


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


def starlette(log: Log) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        log.append("up")
        yield {"model": "loaded"}
        log.append("down")

    routes = [Route("/predict", predict, methods=["POST"]), WebSocketRoute("/predict", echo)]
    return Starlette(routes=routes, lifespan=lifespan)


def fastapi(log: Log) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        log.append("up")
        yield {"model": "loaded"}
        log.append("down")

    app = FastAPI(lifespan=lifespan)
    app.add_route("/predict", predict, methods=["POST"])
    app.websocket("/predict")(echo)
    return app


def litestar(log: Log) -> Litestar:
    @websocket("/predict")
    async def predict(socket: LitestarSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    return Litestar(
        [predict],
        on_startup=[lambda: log.append("up")],
        on_shutdown=[lambda: log.append("down")],
        openapi_config=None,
        logging_config=None,
    )


def quart(log: Log) -> Quart:
    app = Quart("test_lifespan_and_websocket")

    @app.before_serving
    async def start() -> None:
        log.append("up")

    @app.after_serving
    async def stop() -> None:
        log.append("down")

    @app.websocket("/predict")
    async def predict() -> None:
        await quart_socket.send(await quart_socket.receive())

    return app


def failing(log: Log) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        raise RuntimeError("no model file")
        yield

    return Starlette(lifespan=lifespan)


def bare_without_lifespan(log: Log) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "only HTTP here"

    return app


def django(log: Log) -> Any:
    return app_django.make(None)


FULL = {"starlette": starlette, "fastapi": fastapi, "litestar": litestar, "quart": quart}
WITHOUT = {"failing": failing, "bare": bare_without_lifespan, "django": django}


async def live(app: Any, act: Callable[[dict[str, Any]], Any]) -> tuple[list[dict[str, Any]], str, Any]:
    """A server's view of one life of an app: messages, error, and what `act` saw while it was up."""
    state: dict[str, Any] = {}
    sent: list[dict[str, Any]] = []
    moves = iter(["lifespan.startup", "lifespan.shutdown"])
    seen: list[Any] = []

    async def receive() -> dict[str, Any]:
        move = next(moves)
        if move == "lifespan.shutdown":
            seen.append(await act(state))
        return {"type": move}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    try:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}, receive, send)
    except Exception as error:
        return sent, repr(error), seen
    return sent, "", seen


async def nothing(state: dict[str, Any]) -> None: ...


def mirrors_running() -> set[threading.Thread]:
    """The threads of mirrors; those of other tests may end at any time."""
    return {thread for thread in threading.enumerate() if thread.name == "shadow_mw"}


def in_front(app: Any, settings: dict[str, Any]) -> Any:
    """The one line, as the framework's users write it."""
    if isinstance(app, Starlette):
        app.add_middleware(ShadowMiddleware, **settings)
        return app
    return ShadowMiddleware(app, **settings)


@pytest.mark.fault("other-scopes")
@pytest.mark.parametrize("name", [*FULL, *WITHOUT])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_start_and_stop_are_the_apps_own(watch, name, loop):
    make = {**FULL, **WITHOUT}[name]
    logs: tuple[Log, Log] = ([], [])
    bare = anyio.run(live, make(logs[0]), nothing, **LOOPS[loop])
    before = mirrors_running()
    mirrored = anyio.run(live, in_front(make(logs[1]), watch.settings()), nothing, **LOOPS[loop])
    if name == "failing":  # its message holds a traceback, whose frames differ
        assert "no model file" in bare[0].pop()["message"]
        assert "no model file" in mirrored[0].pop()["message"]
    assert mirrored == bare
    assert logs[1] == logs[0] == (["up", "down"] if name in FULL else [])
    assert mirrors_running() <= before


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", ["starlette", "fastapi"])
def test_state_of_the_lifespan_reaches_the_requests(watch, loop, name):
    app = in_front(FULL[name]([]), watch.settings())

    async def ask(state: dict[str, Any]) -> tuple[bytes, set[threading.Thread]]:
        return (await call(app, Call(scope={"state": state.copy()}))).body, mirrors_running()

    before = mirrors_running()
    _, error, [(body, running)] = anyio.run(live, app, ask, **LOOPS[loop])
    assert (error, body) == ("", b'{"model":"loaded"}')
    assert len(running - before) == 1
    assert mirrors_running() <= before
    assert watch.count("compared") == 1


def test_an_app_that_lives_twice_is_mirrored_twice(watch):
    app = in_front(starlette([]), watch.settings())

    async def ask(state: dict[str, Any]) -> int:
        return (await call(app, Call(scope={"state": state.copy()}))).status

    for life in (1, 2):
        assert anyio.run(live, app, ask)[2] == [200]
        assert watch.count("compared") == life


async def talk(app: Any) -> list[dict[str, Any]]:
    """What comes out of a websocket on which one text is sent."""
    incoming = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    sent: list[dict[str, Any]] = []
    is_closed = anyio.Event()

    async def receive() -> dict[str, Any]:
        if incoming:
            return incoming.pop(0)
        await is_closed.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "websocket.close":
            is_closed.set()

    scope = {**http_scope(), "type": "websocket", "scheme": "ws", "subprotocols": [], "state": {}}
    del scope["method"]
    with anyio.fail_after(20):
        await app(scope, receive, send)
    return sent


@pytest.mark.fault("other-scopes")
@pytest.mark.parametrize("name", FULL)
def test_a_websocket_on_the_path_of_a_predict_route_is_untouched(watch, name):
    bare = anyio.run(talk, FULL[name]([]))
    app = in_front(FULL[name]([]), watch.settings(routes="GET /predict, POST /predict"))
    mirrored, asked, books = watch.after(lambda: anyio.run(talk, app))
    assert mirrored == bare
    assert {"websocket.accept", "websocket.send", "websocket.close"} == {one["type"] for one in bare}
    assert (asked, books) == ([], {})
