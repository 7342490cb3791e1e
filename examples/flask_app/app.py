"""Production: tells how far a patient's diabetes will be in a year. One line mirrors what it does."""

from flask import Flask, request
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from shadow_mw import ShadowWSGIMiddleware

MEASURED = [
    "bmi",
    "bp",
    "s5",
]  # body mass index, blood pressure, a value of the blood serum; all centred on 0

diabetes = load_diabetes()
columns = [diabetes.feature_names.index(name) for name in MEASURED]
model = LinearRegression().fit(diabetes.data[:, columns], diabetes.target)

app = Flask(__name__)
app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app)  # the one line


@app.post("/predict")
def predict() -> dict[str, float]:
    """The progression in a year, from 25 to 346."""
    patient = request.get_json()
    return {"progression": float(model.predict([[patient[name] for name in MEASURED]])[0])}
