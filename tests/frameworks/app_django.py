"""The app in Django, by its ASGI handler."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import django
import framework_model as model
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from shadow_mw import ShadowMiddleware


def as_json(body: bytes, status: int = 200) -> HttpResponse:
    return HttpResponse(body, status=status, content_type=model.JSON_TYPE)


async def predict(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return as_json(model.total([float(x) for x in request.GET.getlist("x")]))
    return as_json(model.predict(request.body))


def predict_gzipped(request: HttpRequest) -> HttpResponse:
    return as_json(model.predict_gzipped(request.body))


async def named(request: HttpRequest, name: str) -> HttpResponse:
    return as_json(model.named(name))


async def stream(request: HttpRequest) -> HttpResponseBase:
    async def chunks() -> AsyncIterator[bytes]:
        while chunk := request.read(3):
            yield chunk.upper()

    return StreamingHttpResponse(chunks(), content_type="text/plain")


async def events(request: HttpRequest) -> HttpResponseBase:
    async def chunks() -> AsyncIterator[bytes]:
        for event in model.EVENTS:
            yield event

    return StreamingHttpResponse(chunks(), content_type="text/event-stream")


async def status(request: HttpRequest, code: int) -> HttpResponse:
    response = HttpResponse(status=204) if code == 204 else as_json(b'{"detail": "no"}', code)
    if code == 307:
        response["location"] = "/elsewhere"
    return response


async def boom(request: HttpRequest) -> HttpResponse:
    raise model.ModelError("broken")


async def late_boom(request: HttpRequest) -> HttpResponseBase:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise model.ModelError("broken")

    return StreamingHttpResponse(chunks())


async def headers(request: HttpRequest) -> HttpResponse:
    response = as_json(model.seen(list(request.headers.items())))
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    return response


async def file(request: HttpRequest) -> HttpResponseBase:
    async def chunks() -> AsyncIterator[bytes]:
        yield model.FILE.read_bytes()

    return StreamingHttpResponse(chunks(), content_type="text/plain")


urlpatterns = [
    path("predict", csrf_exempt(predict)),
    path("gzip", csrf_exempt(predict_gzipped)),
    path("v1/models/<str:name>:predict", named),
    path("stream", stream),
    path("events", events),
    path("status/<int:code>", status),
    path("boom", boom),
    path("late-boom", late_boom),
    path("file", file),
    path("headers", headers),
]


class App(ASGIHandler):
    """Django's own, with the urls of this module: settings can be made only once in a process."""

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        request.urlconf = __name__
        return await super().get_response_async(request)


def make(mirror: dict[str, Any] | None) -> Any:
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="none", LOGGING_CONFIG=None, MIDDLEWARE=[])
        django.setup(set_prefix=False)
    logging.getLogger("django").setLevel(logging.CRITICAL)
    application = App()
    return application if mirror is None else ShadowMiddleware(application, **mirror)
