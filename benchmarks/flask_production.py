"""The production process of the Flask variants: gunicorn with one gthread worker, until its stdin ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask, request
from gunicorn.app.base import BaseApplication
from model import predict

THREADS = 16
_POOL_THREADS = 8


def bare() -> Flask:
    app = Flask("production")

    @app.post("/predict")
    def serve() -> dict[str, Any]:
        return {"probabilities": predict(request.get_json()["features"])}

    return app


def mirrored() -> Flask:
    from shadow_mw import ShadowWSGIMiddleware

    app = bare()
    app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's docs say
    return app


def thread_pool() -> Flask:
    """Mirrors by hand, as tutorials show it: a pool of threads asks the shadow by requests."""
    import requests
    from spans import tracer

    spans = tracer()
    url = os.environ["BENCHMARK_SHADOW"]
    pool = ThreadPoolExecutor(_POOL_THREADS)
    client = requests.Session()
    app = Flask("production")

    def ask_shadow(given: dict[str, Any], production: dict[str, Any]) -> None:
        with spans.start_as_current_span("predict production") as span:
            span.set_attribute("prediction", str(production))
        with spans.start_as_current_span("predict shadow") as span:
            prediction = client.post(url, json=given, timeout=5.0).json()
            span.set_attribute("prediction", str(prediction))
            span.set_attribute("agree", prediction == production)

    @app.post("/predict")
    def serve() -> dict[str, Any]:
        given = request.get_json()
        prediction = {"probabilities": predict(given["features"])}
        pool.submit(ask_shadow, given, prediction)
        return prediction

    return app


APPS: dict[str, Callable[[], Flask]] = {"bare": bare, "mirrored": mirrored, "thread_pool": thread_pool}


class Server(BaseApplication):
    """gunicorn without its command line: one worker, so that its figures stand beside uvicorn's."""

    def load_config(self) -> None:
        settings = {
            "bind": f"fd://{sys.argv[2]}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": THREADS,
            "keepalive": 60,
            "control_socket_disable": True,
            "loglevel": "warning",
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return APPS[sys.argv[1]]()


def _stop_with_parent() -> None:
    # Unbuffered: a worker forked meanwhile would find the lock of sys.stdin's buffer held for ever.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    Server().run()


if __name__ == "__main__":
    main()
