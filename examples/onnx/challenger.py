"""The shadow: the same model in ONNX Runtime, in a process of its own. It needs nothing of shadow_mw."""

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("wine.onnx")


def predict(wine: dict[str, list[float]]) -> dict[str, list[float]]:
    """The probability of each grower, for the body of a request."""
    _, probabilities = session.run(None, {"X": np.array([wine["analysis"]], dtype=np.float32)})
    return {"probabilities": probabilities[0].tolist()}
