"""Production: tells an iris's species from four measurements. One line mirrors what it does."""

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from shadow_mw import ShadowMiddleware

iris = load_iris()
model = LogisticRegression(max_iter=1000).fit(iris.data, iris.target)


async def predict(request: Request) -> JSONResponse:
    """The most likely species and its probability."""
    flower = await request.json()
    probabilities = model.predict_proba([flower["measurements"]])[0]
    best = int(probabilities.argmax())
    return JSONResponse({"label": str(iris.target_names[best]), "score": float(probabilities[best])})


app = Starlette(
    routes=[Route("/predict", predict, methods=["POST"])],
    middleware=[Middleware(ShadowMiddleware)],  # the one line
)
