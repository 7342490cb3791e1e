"""A FastAPI app with OpenTelemetry in front of the mirror, behind it, or absent; asked a few times."""

from __future__ import annotations

import json
import sys

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from starlette.testclient import TestClient

from shadow_mw import ShadowMiddleware


def instrument(app: FastAPI) -> TracerProvider:
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    if sys.argv[2] == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app)
    return provider


def main() -> None:
    arrangement, _, headers = sys.argv[1:]
    app = FastAPI()

    @app.post("/predict")
    async def predict(body: dict[str, float]) -> dict[str, float]:
        return {"y": body["x"] + 1}

    served = app
    provider = None
    if arrangement == "front":
        app.add_middleware(ShadowMiddleware)
        provider = instrument(app)
    elif arrangement == "behind":
        provider = instrument(app)
        served = ShadowMiddleware(app)
    else:
        app.add_middleware(ShadowMiddleware)
    with TestClient(served) as client:
        answer = client.post("/predict", json={"x": 1.0}, headers=json.loads(headers))
        assert answer.json() == {"y": 2.0}
    if provider is not None:
        provider.force_flush()


main()
