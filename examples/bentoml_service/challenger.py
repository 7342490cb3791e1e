"""The shadow: another model behind the same interface. It needs nothing of shadow_mw."""

import bentoml
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier


@bentoml.service
class Challenger:
    """A service of BentoML with one method."""

    def __init__(self) -> None:
        self.iris = load_iris()
        self.model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(self.iris.data, self.iris.target)

    @bentoml.api
    def predict(self, measurements: list[float]) -> dict[str, str | float]:
        """The most likely species and its probability."""
        probabilities = self.model.predict_proba([measurements])[0]
        best = int(probabilities.argmax())
        return {"label": str(self.iris.target_names[best]), "score": float(probabilities[best])}
