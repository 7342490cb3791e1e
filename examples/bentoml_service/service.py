"""Production: tells an iris's species from four measurements. One line mirrors what it does."""

import bentoml
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from shadow_mw import ShadowMiddleware


@bentoml.service
class Irises:
    """A service of BentoML with one method."""

    def __init__(self) -> None:
        self.iris = load_iris()
        self.model = LogisticRegression(max_iter=1000).fit(self.iris.data, self.iris.target)

    @bentoml.api
    def predict(self, measurements: list[float]) -> dict[str, str | float]:
        """The most likely species and its probability."""
        probabilities = self.model.predict_proba([measurements])[0]
        best = int(probabilities.argmax())
        return {"label": str(self.iris.target_names[best]), "score": float(probabilities[best])}


Irises.add_asgi_middleware(ShadowMiddleware)  # the one line
