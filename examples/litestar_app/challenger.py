"""The shadow: another model behind the same interface. It needs nothing of shadow_mw."""

from dataclasses import dataclass

from litestar import Litestar, post
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

iris = load_iris()
model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(iris.data, iris.target)


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
