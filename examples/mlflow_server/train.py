"""Trains production and challenger, and saves each in the form of MLflow, in a folder."""

import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

flowers = load_iris(as_frame=True)
species = flowers.target_names[flowers.target]

for folder, model in [
    ("production", LogisticRegression(max_iter=1000)),
    ("challenger", GaussianNB()),
]:
    model.fit(flowers.data, species)
    signature = infer_signature(flowers.data, model.predict(flowers.data))
    mlflow.sklearn.save_model(model, folder, signature=signature, pip_requirements=["scikit-learn"])
