"""The shadow: another model behind the same interface, in one file. It needs nothing of shadow_mw."""

import json

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

iris = load_iris()
model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(iris.data, iris.target)


def predict(request: HttpRequest) -> JsonResponse:
    """The most likely species and its probability."""
    flower = json.loads(request.body)
    probabilities = model.predict_proba([flower["measurements"]])[0]
    best = int(probabilities.argmax())
    return JsonResponse({"label": str(iris.target_names[best]), "score": float(probabilities[best])})


urlpatterns = [path("predict", predict)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"])
app = get_asgi_application()
