"""A Flask app with OpenTelemetry in front of the mirror, behind it, or absent; asked once in this process."""

from __future__ import annotations

import json
import sys
from typing import Any

from flask import Flask, request
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shadow_mw import ShadowWSGIMiddleware
from shadow_mw.testing import drain


def export() -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def predict() -> Any:
    with trace.get_tracer("app").start_as_current_span("of the app's own"):
        return {"y": request.get_json()["x"] + 1 if request.method == "POST" else 2.0}


def instrumented(app: Flask, arrangement: str) -> None:
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

    if arrangement == "flask first":
        FlaskInstrumentor().instrument_app(app)
    if arrangement == "wsgi behind":
        app.wsgi_app = OpenTelemetryMiddleware(app.wsgi_app)
    app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app)
    if arrangement == "flask last":
        FlaskInstrumentor().instrument_app(app)
    if arrangement == "wsgi in front":
        app.wsgi_app = OpenTelemetryMiddleware(app.wsgi_app)
    if arrangement == "both in front":
        FlaskInstrumentor().instrument_app(app)
        app.wsgi_app = OpenTelemetryMiddleware(app.wsgi_app)


def main() -> None:
    arrangement, method, headers = sys.argv[1:]
    provider = export() if arrangement != "absent" else None
    app = Flask(__name__)
    app.add_url_rule("/predict", view_func=predict, methods=["GET", "POST"])
    instrumented(app, arrangement)
    body = {"json": {"x": 1.0}} if method == "POST" else {}
    answer = app.test_client().open("/predict", method=method, headers=json.loads(headers), **body)
    assert answer.get_json() == {"y": 2.0}
    answer.close()
    assert drain()
    if provider is not None:
        provider.shutdown()


main()
