"""Production: tells an iris's species from four measurements. One line mirrors what it does."""

from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from shadow_mw import ShadowMiddleware

iris = load_iris()
model = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)

app = FastAPI(title="Irises")
app.add_middleware(ShadowMiddleware)  # the one line


class Flower(BaseModel):
    """Sepal length and width, petal length and width, in centimetres."""

    measurements: tuple[float, float, float, float]


@app.post("/predict")
def predict(flower: Flower) -> dict[str, str | float]:
    """The most likely species and its probability."""
    probabilities = model.predict_proba([flower.measurements])[0]
    best = int(probabilities.argmax())
    return {"label": str(iris.target_names[best]), "score": float(probabilities[best])}
