"""The shadow: another model behind the same interface. It needs nothing of shadow_mw."""

from quart import Quart, request
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

iris = load_iris()
model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(iris.data, iris.target)

app = Quart(__name__)


@app.post("/predict")
async def predict() -> dict[str, str | float]:
    """The most likely species and its probability."""
    flower = await request.get_json()
    probabilities = model.predict_proba([flower["measurements"]])[0]
    best = int(probabilities.argmax())
    return {"label": str(iris.target_names[best]), "score": float(probabilities[best])}
