"""The demo's dashboard: the page over the demo's store, in a process of its own."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from shadow_mw.dashboard import dashboard


async def health(request: Request) -> PlainTextResponse:
    """Answers once the page does."""
    del request
    return PlainTextResponse("ok")


#: The store comes from the environment, as everything that the demo tells its servers.
app = Starlette(routes=[Route("/health", health), Mount("/", dashboard())])
