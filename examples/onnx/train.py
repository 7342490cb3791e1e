"""Trains a model of wines, and saves it as it is and in the form of ONNX."""

import joblib
from skl2onnx import to_onnx
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

wine = load_wine()
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(wine.data, wine.target)
joblib.dump(model, "wine.joblib")

converted = to_onnx(model, wine.data[:1].astype("float32"), options={"zipmap": False})
with open("wine.onnx", "wb") as file:
    file.write(converted.SerializeToString())
