"""The app of these tests in Django, by its WSGI handler, as far as Django goes."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from typing import Any

import app_wsgi_flask
import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path

total = app_wsgi_flask.total


def predict(request: HttpRequest) -> HttpResponse:
    if request.method in ("GET", "HEAD"):
        return JsonResponse(total([float(x) for x in request.GET.getlist("x")]))
    return JsonResponse(total(json.loads(request.body)["x"]))


def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"x": request.POST["x"], "size": len(request.FILES["upload"].read())})


def gzipped(request: HttpRequest) -> HttpResponse:
    return JsonResponse(total(json.loads(gzip.decompress(request.body))["x"]))


def stream(request: HttpRequest) -> HttpResponseBase:
    def chunks() -> Iterator[bytes]:
        while chunk := request.read(3):
            yield chunk.upper()

    return StreamingHttpResponse(chunks(), content_type="text/plain")


def unread(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"detail": "no"}, status=401)


def status(request: HttpRequest, code: int) -> HttpResponse:
    assert request.body is not None
    return HttpResponse(status=code) if code in (204, 304) else JsonResponse({"detail": "no"}, status=code)


def boom(request: HttpRequest) -> HttpResponse:
    assert request.body is not None
    raise app_wsgi_flask.ModelError("broken")


def late_boom(request: HttpRequest) -> HttpResponseBase:
    assert request.body is not None

    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise app_wsgi_flask.ModelError("broken")

    return StreamingHttpResponse(chunks())


def file(request: HttpRequest) -> HttpResponseBase:
    assert request.body is not None
    return FileResponse(app_wsgi_flask.FILE.open("rb"), content_type="text/plain")


def cookies(request: HttpRequest) -> HttpResponse:
    assert request.body is not None
    response = HttpResponse(b"{}", content_type="application/json")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    return response


def named(request: HttpRequest, name: str) -> HttpResponse:
    assert request.body is not None
    return JsonResponse({"model": name})


urlpatterns = [
    path("predict", predict),
    path("form", form),
    path("gzip", gzipped),
    path("stream", stream),
    path("unread", unread),
    path("status/<int:code>", status),
    path("boom", boom),
    path("late-boom", late_boom),
    path("file", file),
    path("cookies", cookies),
    path("v1/models/<str:name>:predict", named),
]


class Handler(WSGIHandler):
    """Django's own, with the urls of this module: settings can be made only once in a process."""

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        request.urlconf = __name__
        return super().get_response(request)


def make() -> Any:
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF="app_django",
            ALLOWED_HOSTS=["*"],
            SECRET_KEY="none",
            LOGGING_CONFIG=None,
            MIDDLEWARE=[],
        )
        django.setup(set_prefix=False)
        logging.getLogger("django").setLevel(logging.CRITICAL)
    return Handler()
