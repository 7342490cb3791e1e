"""Production: tells an iris's species from four measurements."""

import json

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

iris = load_iris()
model = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)


@require_POST
def predict(request: HttpRequest) -> JsonResponse:
    """The most likely species and its probability."""
    flower = json.loads(request.body)
    probabilities = model.predict_proba([flower["measurements"]])[0]
    best = int(probabilities.argmax())
    return JsonResponse({"label": str(iris.target_names[best]), "score": float(probabilities[best])})
