"""Production: tells an iris's species from four measurements. One line mirrors what it does."""

from quart import Quart, request
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from shadow_mw import ShadowMiddleware

iris = load_iris()
model = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)

app = Quart(__name__)
app.asgi_app = ShadowMiddleware(app.asgi_app)  # the one line


@app.post("/predict")
async def predict() -> dict[str, str | float]:
    """The most likely species and its probability."""
    flower = await request.get_json()
    probabilities = model.predict_proba([flower["measurements"]])[0]
    best = int(probabilities.argmax())
    return {"label": str(iris.target_names[best]), "score": float(probabilities[best])}
