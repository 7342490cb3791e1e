"""The shadow: draws the line elsewhere, so it disagrees now and then. It needs nothing of shadow_mw."""

import os

from fastapi import FastAPI
from pydantic import BaseModel, PositiveFloat

LIMIT = float(os.environ.get("LIMIT", "0.36"))

app = FastAPI(title="Loans, the challenger")


class Loan(BaseModel):
    """What the customer earns, and would pay back, in a month."""

    income: PositiveFloat
    payment: PositiveFloat


@app.post("/decide")
def decide(loan: Loan) -> dict[str, str | float]:
    """Approve while the payment takes no more than a share of the income."""
    share = loan.payment / loan.income
    return {"label": "approve" if share <= LIMIT else "decline", "share": share}
