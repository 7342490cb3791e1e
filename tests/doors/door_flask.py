"""An app without a line of ours in it."""

from __future__ import annotations

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

app = Flask(__name__)


@app.post("/predict")
def predict() -> ResponseReturnValue:
    return jsonify(y=sum(request.get_json()["x"]))
