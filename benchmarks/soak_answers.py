"""How the apps of `soak.py` stream a prediction: in parts with pauses, and sometimes not to the end."""

from __future__ import annotations

import json
from collections.abc import Iterator

from model import predict

PAUSE_SECONDS = 0.02
_PARTS = 4


def parts(features: list[float], does: str) -> Iterator[bytes]:
    """The answer in four parts; where it `does` break, it raises behind the second one.

    Raises:
        RuntimeError: it was asked to.

    """
    whole = json.dumps({"probabilities": predict(features), "padding": "." * 2000}).encode()
    size = -(-len(whole) // _PARTS)
    for number in range(_PARTS):
        if does == "breaks" and number == _PARTS // 2:
            raise RuntimeError("the soak asked for it, in the middle of an answer")
        yield whole[number * size : (number + 1) * size]
