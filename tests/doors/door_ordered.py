"""An app instrumented in its code, by ours and by OpenTelemetry's, in the order that `ORDER` names."""

from __future__ import annotations

import importlib
import os

from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor

from shadow_mw.doors.instrumentor import ShadowInstrumentor

KINDS = {"fastapi": FastAPIInstrumentor, "flask": FlaskInstrumentor, "shadow_mw": ShadowInstrumentor}
for name in os.environ["ORDER"].split():
    KINDS[name]().instrument()

app = importlib.import_module(os.environ["APP"]).app
