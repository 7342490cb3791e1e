"""Production: tells an iris's species from four measurements. One line mirrors what it does."""

from litserve import LitAPI, LitServer
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from shadow_mw import ShadowMiddleware


class Irises(LitAPI):
    """What the workers of LitServe run."""

    def setup(self, device: str) -> None:  # noqa: ARG002 LitServe passes it
        """Load the model."""
        self.iris = load_iris()
        self.model = LogisticRegression(max_iter=1000).fit(self.iris.data, self.iris.target)

    def decode_request(self, request: dict[str, list[float]]) -> list[float]:
        """The measurements of a flower."""
        return request["measurements"]

    def predict(self, x: list[float]) -> dict[str, str | float]:
        """The most likely species and its probability."""
        probabilities = self.model.predict_proba([x])[0]
        best = int(probabilities.argmax())
        return {"label": str(self.iris.target_names[best]), "score": float(probabilities[best])}

    def encode_response(self, output: dict[str, str | float]) -> dict[str, str | float]:
        """The prediction, as it is."""
        return output


if __name__ == "__main__":
    server = LitServer(Irises(), middlewares=[ShadowMiddleware])  # the one line
    server.run(host="127.0.0.1", port=8000, generate_client_file=False)
