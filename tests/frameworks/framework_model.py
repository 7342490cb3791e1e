"""What every app of these tests predicts, whatever its framework."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

JSON_TYPE = "application/json"
COOKIES = ("a=1; Path=/", "b=2; HttpOnly; Path=/")
EVENTS = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")
FILE = Path(__file__)


class ModelError(Exception):
    """The model is broken."""


def predict(features: bytes) -> bytes:
    """The sum of `x`; an empty body is an empty list."""
    return total(json.loads(features)["x"] if features else [])


def predict_gzipped(features: bytes) -> bytes:
    return predict(gzip.decompress(features))


def total(numbers: list[float]) -> bytes:
    return json.dumps({"y": sum(numbers)}).encode()


def named(name: str) -> bytes:
    return json.dumps({"model": name}).encode()


def seen(headers: list[tuple[str, str]]) -> bytes:
    """The request headers that the app saw, repeats and their order included."""
    return json.dumps([[name.lower(), value] for name, value in headers]).encode()
