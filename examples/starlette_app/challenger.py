"""The shadow: another model behind the same interface. It needs nothing of shadow_mw."""

from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

iris = load_iris()
model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(iris.data, iris.target)


async def predict(request: Request) -> JSONResponse:
    """The most likely species and its probability."""
    flower = await request.json()
    probabilities = model.predict_proba([flower["measurements"]])[0]
    best = int(probabilities.argmax())
    return JSONResponse({"label": str(iris.target_names[best]), "score": float(probabilities[best])})


app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
