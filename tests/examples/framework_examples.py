"""The examples of one framework each: how its servers say that they are up, and what was added to its app."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameworkExample:
    """One folder of examples."""

    folder: str
    app: str
    """The file with the one line."""
    line: str
    is_up: str = "Uvicorn running"
    """What production's server says."""
    shadow_is_up: str = "Uvicorn running"
    environment: str = ""
    """Its own environment, if it has one."""
    ready: str = ""
    """A path that is answered with 200 once the models are loaded; empty where servers listen only then."""
    announces: bool = True
    """Whether the server's own logging lets our first line through."""
    middleware: str = "ShadowMiddleware"
    key: str = "label"
    """Where an answer has its prediction."""
    predictions: tuple[object, object] = ("setosa", "virginica")
    """Production's, of the README's two requests."""
    other: object = "versicolor"
    """The shadow's, of the second."""


_BENTO = "Starting production HTTP BentoServer"
EXAMPLES = [
    FrameworkExample("fastapi_app", "app.py", "app.add_middleware(ShadowMiddleware)  # the one line"),
    FrameworkExample(
        "flask_app",
        "app.py",
        "app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app)  # the one line",
        is_up="Booting worker",
        shadow_is_up="Booting worker",
        middleware="ShadowWSGIMiddleware",
        key="progression",
        predictions=(201.0, 279.9),
        other=254.7,
    ),
    FrameworkExample("starlette_app", "app.py", "middleware=[Middleware(ShadowMiddleware)],  # the one line"),
    FrameworkExample("litestar_app", "app.py", "app = ShadowMiddleware(app)  # the one line"),
    FrameworkExample(
        "quart_app",
        "app.py",
        "app.asgi_app = ShadowMiddleware(app.asgi_app)  # the one line",
        is_up="Running on http://",
        shadow_is_up="Running on http://",
    ),
    FrameworkExample(
        "django_app", "irises/asgi.py", "application = ShadowMiddleware(application)  # the one line"
    ),
    FrameworkExample(
        "bentoml_service",
        "service.py",
        "Irises.add_asgi_middleware(ShadowMiddleware)  # the one line",
        is_up=_BENTO,
        shadow_is_up=_BENTO,
        environment="bentoml",
        ready="/readyz",
        announces=False,
    ),
    FrameworkExample(
        "litserve_server",
        "server.py",
        "server = LitServer(Irises(), middlewares=[ShadowMiddleware])  # the one line",
        environment="litserve",
        ready="/health",
    ),
    FrameworkExample(
        "ray_serve",
        "app.py",
        "api.add_middleware(ShadowMiddleware)  # the one line",
        is_up="Application 'default' is ready",
        environment="ray",
    ),
]
