"""A server with the one line, with or without OpenTelemetry: `traced_server.py fastapi|flask PORT HOW`.

`HOW` is `plain`, `traced`, or `hosted` for a provider that knows its host, as detectors of a cloud tell it.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shadow_mw import ShadowMiddleware, ShadowWSGIMiddleware


def answer(loan: dict[str, float]) -> dict[str, str]:
    return {"label": "approve" if loan["payment"] <= 1000 else "decline"}


def provide(host: dict[str, str]) -> None:
    provider = TracerProvider(resource=Resource.create(host))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def serve_fastapi(port: int, *, is_traced: bool) -> None:
    import uvicorn
    from fastapi import FastAPI, HTTPException

    app = FastAPI()

    @app.post("/decide")
    async def decide(loan: dict[str, float]) -> dict[str, str]:
        if "payment" not in loan:
            raise HTTPException(500)
        return answer(loan)

    app.add_middleware(ShadowMiddleware)
    if is_traced:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        FastAPIInstrumentor.instrument_app(app)
    uvicorn.run(app, port=port, log_level="warning")


def serve_flask(port: int, *, is_traced: bool) -> None:
    from flask import Flask, request
    from werkzeug.serving import make_server

    app = Flask(__name__)

    @app.post("/decide")
    def decide() -> Any:
        return answer(request.get_json())

    app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    if is_traced:
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(app)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    framework, port, how = sys.argv[1:]
    if how != "plain":
        provide({"host.id": "i-0a1b, the first", "ip": "10.0.0.7"} if how == "hosted" else {})
    {"fastapi": serve_fastapi, "flask": serve_flask}[framework](int(port), is_traced=how != "plain")
