"""The shadow: another model behind the same interface. It needs nothing of shadow_mw."""

from flask import Flask, request
from sklearn.datasets import load_diabetes
from sklearn.neighbors import KNeighborsRegressor

MEASURED = ["bmi", "bp", "s5"]

diabetes = load_diabetes()
columns = [diabetes.feature_names.index(name) for name in MEASURED]
model = KNeighborsRegressor(20).fit(diabetes.data[:, columns], diabetes.target)

app = Flask(__name__)


@app.post("/predict")
def predict() -> dict[str, float]:
    """The progression in a year, from 25 to 346."""
    patient = request.get_json()
    return {"progression": float(model.predict([[patient[name] for name in MEASURED]])[0])}
