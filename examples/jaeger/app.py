"""Production: decides on loans, traced by OpenTelemetry. One line mirrors what it does."""

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic import BaseModel, PositiveFloat

from shadow_mw import ShadowMiddleware

LIMIT = 0.35

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)

app = FastAPI(title="Loans")
app.add_middleware(ShadowMiddleware)  # the one line
FastAPIInstrumentor.instrument_app(app)


class Loan(BaseModel):
    """What the customer earns, and would pay back, in a month."""

    income: PositiveFloat
    payment: PositiveFloat


@app.post("/decide")
def decide(loan: Loan) -> dict[str, str | float]:
    """Approve while the payment takes no more than a share of the income."""
    share = loan.payment / loan.income
    return {"label": "approve" if share <= LIMIT else "decline", "share": share}
