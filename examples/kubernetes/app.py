"""Production: decides on loans. One line mirrors what it does."""

from fastapi import FastAPI
from pydantic import BaseModel, PositiveFloat

from shadow_mw import ShadowMiddleware

LIMIT = 0.35

app = FastAPI(title="Loans")
app.add_middleware(ShadowMiddleware)  # the one line


class Loan(BaseModel):
    """What the customer earns, and would pay back, in a month."""

    income: PositiveFloat
    payment: PositiveFloat


@app.post("/decide")
def decide(loan: Loan) -> dict[str, str | float]:
    """Approve while the payment takes no more than a share of the income."""
    share = loan.payment / loan.income
    return {"label": "approve" if share <= LIMIT else "decline", "share": share}
