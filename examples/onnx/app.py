"""Production: tells from which of three growers a wine is. One line mirrors what it does."""

import joblib
from fastapi import FastAPI
from pydantic import BaseModel

from shadow_mw import ShadowMiddleware

model = joblib.load("wine.joblib")

app = FastAPI(title="Wines")
app.add_middleware(ShadowMiddleware)  # the one line


class Wine(BaseModel):
    """Thirteen values of a chemical analysis."""

    analysis: list[float]


@app.post("/predict")
def predict(wine: Wine) -> dict[str, list[float]]:
    """The probability of each grower."""
    return {"probabilities": model.predict_proba([wine.analysis])[0].tolist()}
