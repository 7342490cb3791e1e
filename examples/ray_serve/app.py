"""Production: tells an iris's species from four measurements. One line mirrors what it does."""

import ray
from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from shadow_mw import ShadowMiddleware

api = FastAPI(title="Irises")
api.add_middleware(ShadowMiddleware)  # the one line


class Flower(BaseModel):
    """Sepal length and width, petal length and width, in centimetres."""

    measurements: tuple[float, float, float, float]


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 0.5})
@serve.ingress(api)
class Irises:
    """The replicas; each has the middleware in front of it."""

    def __init__(self) -> None:
        self.iris = load_iris()
        self.model = LogisticRegression(max_iter=1000).fit(self.iris.data, self.iris.target)

    @api.post("/predict")
    def predict(self, flower: Flower) -> dict[str, str | float]:
        """The most likely species and its probability."""
        probabilities = self.model.predict_proba([flower.measurements])[0]
        best = int(probabilities.argmax())
        return {"label": str(self.iris.target_names[best]), "score": float(probabilities[best])}


app = Irises.bind()

if __name__ == "__main__":
    ray.init(include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": 8000})
    serve.run(app, blocking=True)
