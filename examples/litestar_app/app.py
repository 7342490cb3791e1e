"""Production: tells an iris's species from four measurements. One line mirrors what it does."""

from dataclasses import dataclass

from litestar import Litestar, post
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from shadow_mw import ShadowMiddleware

iris = load_iris()
model = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)


@dataclass
class Flower:
    """Sepal length and width, petal length and width, in centimetres."""

    measurements: list[float]


@post("/predict", status_code=200)
async def predict(data: Flower) -> dict[str, str | float]:
    """The most likely species and its probability."""
    probabilities = model.predict_proba([data.measurements])[0]
    best = int(probabilities.argmax())
    return {"label": str(iris.target_names[best]), "score": float(probabilities[best])}


app = Litestar([predict])
app = ShadowMiddleware(app)  # the one line
