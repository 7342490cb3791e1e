"""`shadow_mw.instrument(app)`: one call for an app of any framework."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import types
from typing import Any

import door_django
import door_litestar
import fastapi
import flask
import httpx
import pytest
import quart
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, Router
from wsgi_driver import request, serve

import shadow_mw
from shadow_mw import ShadowMiddleware, ShadowWSGIMiddleware, UsageError
from shadow_mw.assembly.installation import installations

JSON = (b"content-type", b"application/json")
SETTINGS: dict[str, Any] = {
    "routes": "POST /predict",
    "shadow": lambda features: {"y": sum(features["x"])},
    "store": "none",
}
BODY = b'{"x": [1, 2, 3]}'


def fastapi_app() -> Any:
    app = fastapi.FastAPI()

    @app.post("/predict")
    async def predict(features: dict[str, list[int]]) -> dict[str, int]:
        return {"y": sum(features["x"])}

    return app


def starlette_app() -> Any:
    async def predict(request: Any) -> JSONResponse:
        return JSONResponse({"y": sum((await request.json())["x"])})

    return Starlette(routes=[Route("/predict", predict, methods=["POST"])])


def flask_app() -> Any:
    app = flask.Flask("app")

    @app.post("/predict")
    def predict() -> dict[str, int]:
        return {"y": sum(flask.request.get_json()["x"])}

    return app


def quart_app() -> Any:
    app = quart.Quart("app")

    @app.post("/predict")
    async def predict() -> dict[str, int]:
        return {"y": sum((await quart.request.get_json())["x"])}

    return app


async def bare_asgi(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
    await send({"type": "http.response.body", "body": b'{"y":6}'})


def bare_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    environ["wsgi.input"].read(len(BODY))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"y":6}']


class ASGIObject:
    """An app that is an object, and no coroutine function to the eye."""

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return bare_asgi(scope, receive, send)


#: What makes an app, and whether the very object is served.
ASGI = {
    "fastapi": (fastapi_app, True),
    "starlette": (starlette_app, True),
    "quart": (quart_app, True),
    "litestar": (lambda: door_litestar.app, False),
    "django": (lambda: door_django.asgi, False),
    "function": (lambda: bare_asgi, False),
    "object": (ASGIObject, False),
}
WSGI = {
    "flask": (flask_app, True),
    "django": (lambda: door_django.app, False),
    "function": (lambda: bare_wsgi, False),
}


def ask_asgi(app: Any) -> Any:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
            return await client.post("/predict", content=BODY, headers={"content-type": "application/json"})

    answer = asyncio.run(ask())
    assert answer.status_code == 200
    return answer.headers.raw, answer.content


def ask_wsgi(app: Any) -> Any:
    return serve(app, request(BODY, CONTENT_TYPE="application/json"))


def counts_of_new(before: set[Any]) -> list[dict[str, int]]:
    """The books of every mirror that was not there before."""
    assert shadow_mw.drain(30)
    new = [one for one in installations() if one not in before]
    routes = [one.statistics().shadows[0].routes.get("POST /predict", {}) for one in new]
    return [counts for counts in routes if counts]


@pytest.mark.parametrize("name", ASGI)
def test_an_asgi_app_is_mirrored_once_and_answers_the_same(name):
    make, is_itself = ASGI[name]
    bare = ask_asgi(make())
    before = set(installations())
    app = make()
    served = shadow_mw.instrument(app, **SETTINGS)
    assert (served is app) == is_itself
    assert shadow_mw.instrument(served) is served
    assert ask_asgi(served) == bare
    assert counts_of_new(before) == [{"eligible": 1, "compared": 1, "agree": 1}]


@pytest.mark.parametrize("name", WSGI)
def test_a_wsgi_app_is_mirrored_once_and_answers_the_same(name):
    make, is_itself = WSGI[name]
    bare = ask_wsgi(make())
    before = set(installations())
    app = make()
    served = shadow_mw.instrument(app, **SETTINGS)
    assert (served is app) == is_itself
    assert shadow_mw.instrument(served) is served
    assert ask_wsgi(served) == bare
    assert counts_of_new(before) == [{"eligible": 1, "compared": 1, "agree": 1}]


def test_an_app_with_the_line_is_left_alone(caplog):
    app = fastapi_app()
    app.add_middleware(ShadowMiddleware, **SETTINGS)
    assert shadow_mw.instrument(app, sample_rate=0.5) is app
    assert len(app.user_middleware) == 1
    assert "mirrored already" in caplog.text
    other = flask_app()
    line = other.wsgi_app = ShadowWSGIMiddleware(other.wsgi_app, **SETTINGS)
    assert shadow_mw.instrument(other).wsgi_app is line


def started() -> Any:
    app = starlette_app()
    ask_asgi(app)
    return app


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: None, "None is no app, for it can't be called"),
        (lambda: flask.Flask, "Flask is a class: give the app that your server serves"),
        (lambda: "main:app", "'main:app' is a name"),
        (lambda: types.ModuleType("main"), "main is a module"),
        (fastapi.APIRouter, "APIRouter is a router"),
        (Router, "Router is a router"),
        (lambda: flask.Blueprint("b", "b"), "Blueprint is a router"),
        (lambda: fastapi_app, "takes 0 arguments"),
        (lambda: lambda scope: None, "takes 1 argument, while an ASGI app takes"),
        (started, "the app has started"),
    ],
)
def test_what_is_no_app_gets_a_sentence(make, sentence):
    with pytest.raises(UsageError) as raised:
        shadow_mw.instrument(make())
    assert sentence in str(raised.value)
    assert isinstance(raised.value, TypeError)


def test_it_imports_no_framework():
    code = (
        "import sys, shadow_mw\n"
        "def app(environ, start_response): ...\n"
        "shadow_mw.instrument(app)\n"
        "names = {'fastapi', 'flask', 'quart', 'litestar', 'django', 'bentoml', 'wrapt'}\n"
        "names |= {'starlette.applications'}\n"
        "print(sorted(names & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
