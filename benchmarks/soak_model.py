"""The `python:` shadow of `soak.py`: does to its process what the request says."""

from __future__ import annotations

import os
import time
from typing import Any

from model import predict

_LEAK_BYTES = 64 * 2**20
_held: list[bytearray] = []


def answer(given: dict[str, Any]) -> dict[str, Any]:
    """Predict, or crash, leak, hang, raise and print as `model` says."""
    does = given.get("model", "")
    if does == "crashes":
        os._exit(3)
    if does == "leaks":
        _held.append(bytearray(b"x") * _LEAK_BYTES)
    if does == "hangs":
        time.sleep(3600)
    if does == "raises":
        raise KeyError("the soak asked for it")
    if does == "prints":
        print("." * 100_000)
    return {"probabilities": predict(given["features"])}
