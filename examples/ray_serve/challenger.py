"""The shadow: another model behind the same interface. It needs nothing of shadow_mw."""

from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

iris = load_iris()
model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(iris.data, iris.target)

app = FastAPI(title="Irises, the challenger")


class Flower(BaseModel):
    """Sepal length and width, petal length and width, in centimetres."""

    measurements: tuple[float, float, float, float]


@app.post("/predict")
def predict(flower: Flower) -> dict[str, str | float]:
    """The most likely species and its probability."""
    probabilities = model.predict_proba([flower.measurements])[0]
    best = int(probabilities.argmax())
    return {"label": str(iris.target_names[best]), "score": float(probabilities[best])}
