"""The model of the benchmark: a softmax regression from 30 floats to five probabilities, in plain Python."""

from __future__ import annotations

import json
import math
import random

FEATURES = 30
CLASSES = 5

_random = random.Random(7)
_WEIGHTS = [[_random.gauss(0.0, 0.3) for _ in range(FEATURES)] for _ in range(CLASSES)]


def predict(features: list[float]) -> list[float]:
    """Five probabilities for 30 features."""
    scores = [sum(map(float.__mul__, weights, features)) for weights in _WEIGHTS]
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def request_bodies(count: int) -> list[bytes]:
    """JSON bodies of `count` different predict calls, the same ones in every run."""
    source = random.Random(11)
    rows = ([round(source.gauss(0.0, 1.0), 6) for _ in range(FEATURES)] for _ in range(count))
    return [json.dumps({"features": row}).encode() for row in rows]
