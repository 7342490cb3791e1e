"""Two real models of handwritten digits, trained at start on data that ships with scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PIXELS = 64
"""Eight by eight shades of grey, 0.0 to 16.0."""
_SEED = 11
# Twenty trees on half of the data: good, and different enough that the two models disagree now and then.
_TREES = 20


class DigitModel:
    """A fitted classifier that answers as the demo's two servers do."""

    def __init__(self, classifier: Any) -> None:
        """Take a fitted scikit-learn classifier."""
        self._classifier = classifier

    def predict(self, pixels: list[float]) -> dict[str, Any]:
        """The likeliest digit, and the probability of each of the ten."""
        probabilities = self._classifier.predict_proba([pixels])[0]
        return {
            "digit": int(self._classifier.classes_[probabilities.argmax()]),
            "probabilities": [round(float(probability), 6) for probability in probabilities],
        }


def train_production() -> DigitModel:
    """Logistic regression on scaled pixels."""
    pixels, _, digits, _ = _split()
    return DigitModel(make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(pixels, digits))


def train_challenger(*, shuffled: bool = False) -> DigitModel:
    """A random forest; with `shuffled` labels it learns nothing, as after a broken join in training."""
    pixels, _, digits, _ = _split()
    if shuffled:
        digits = np.random.default_rng(_SEED).permutation(digits)
    return DigitModel(RandomForestClassifier(_TREES, random_state=_SEED).fit(pixels, digits))


def held_out_inputs() -> list[list[float]]:
    """The half of the data that neither model has seen, in a fixed order."""
    inputs: list[list[float]] = _split()[1].tolist()
    return inputs


def _split() -> Any:
    pixels, digits = load_digits(return_X_y=True)
    return train_test_split(pixels, digits, test_size=0.5, random_state=_SEED, stratify=digits)
