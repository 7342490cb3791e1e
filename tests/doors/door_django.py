"""An app without a line of ours in it, at both of Django's interfaces; as a program it serves itself."""

from __future__ import annotations

import json
import sys
from typing import Any
from wsgiref.simple_server import make_server

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="a", DEBUG=False)


def predict(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"y": sum(json.loads(request.body)["x"])})


urlpatterns: list[Any] = [path("predict", predict)]
app = get_wsgi_application()
asgi = get_asgi_application()

if __name__ == "__main__":
    with make_server("127.0.0.1", 0, app) as server:
        sys.stderr.write(f"Running on http://127.0.0.1:{server.server_port}\n")
        sys.stderr.flush()
        server.handle_request()
    sys.exit(7)
