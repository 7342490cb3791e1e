"""The app of these tests in Flask."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, send_file

FILE = Path(__file__)


class ModelError(Exception):
    """The model is broken."""


def total(numbers: list[float]) -> dict[str, float]:
    return {"y": sum(numbers)}


def make() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/predict", view_func=predict, methods=["GET", "POST"])
    app.add_url_rule("/form", view_func=form, methods=["POST"])
    app.add_url_rule("/gzip", view_func=gzipped, methods=["POST"])
    app.add_url_rule("/stream", view_func=stream, methods=["POST"])
    app.add_url_rule("/unread", view_func=unread, methods=["POST"])
    app.add_url_rule("/status/<int:code>", view_func=status, methods=["POST"])
    app.add_url_rule("/boom", view_func=boom, methods=["POST"])
    app.add_url_rule("/late-boom", view_func=late_boom, methods=["POST"])
    app.add_url_rule("/file", view_func=file, methods=["POST"])
    app.add_url_rule("/cookies", view_func=cookies, methods=["POST"])
    app.add_url_rule("/v1/models/<name>:predict", view_func=named, methods=["POST"])
    return app


def predict() -> Any:
    if request.method != "POST":
        return total([float(x) for x in request.args.getlist("x")])
    return total(request.get_json()["x"])


def form() -> Any:
    return {"x": request.form["x"], "size": len(request.files["upload"].read())}


def gzipped() -> Any:
    return total(json.loads(gzip.decompress(request.get_data()))["x"])


def stream() -> Any:
    body = request.stream

    def chunks() -> Iterator[bytes]:
        while chunk := body.read(3):
            yield chunk.upper()

    return Response(chunks(), content_type="text/plain")


def unread() -> Any:
    return {"detail": "no"}, 401


def status(code: int) -> Any:
    request.get_data()
    return ("", code) if code in (204, 304) else ({"detail": "no"}, code)


def boom() -> Any:
    request.get_data()
    raise ModelError("broken")


def late_boom() -> Any:
    request.get_data()

    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ModelError("broken")

    return Response(chunks())


def file() -> Any:
    request.get_data()
    return send_file(FILE, mimetype="text/plain", etag=False, last_modified=None)


def cookies() -> Any:
    request.get_data()
    response = Response(b"{}", content_type="application/json")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    return response


def named(name: str) -> Any:
    request.get_data()
    return {"model": name}
