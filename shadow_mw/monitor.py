"""The pages of `shadow-mw worker` for those who watch it: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from shadow_mw.boundary import Guard
from shadow_mw.exceptions import MissingExtraError, SettingsError
from shadow_mw.snapshots import Statistics

if TYPE_CHECKING:
    import uvicorn

_VARIABLE = "SHADOW_WORKER_LISTEN"
_NO_STORE = {"cache-control": "no-store"}
_UNKNOWN = {"ready": False, "why": "the worker cannot tell its state; its log says why"}
#: How long an answer that is under way may hold up the end.
_GRACE_SECONDS = 1
_CONNECTIONS = 64
_BACKLOG = 128


def monitor_app(
    *,
    snapshot: Callable[[], Statistics],
    problem: Callable[[], str],
    exposition: Callable[[], tuple[bytes, str]],
) -> Starlette:
    """The ASGI app of the three pages; it answers GET and HEAD.

    Args:
        snapshot: the worker's statistics; called on the loop.
        problem: why the worker takes no exchanges (it drains, the broker can't be reached), or empty; called
            on the loop.
        exposition: the metrics as Prometheus reads them, and their content type; called on a thread.

    """
    pages = _Pages(snapshot, problem, exposition)
    app = Starlette(
        routes=[
            Route("/healthz", pages.health),
            Route("/readyz", pages.readiness),
            Route("/metrics", pages.metrics),
        ],
        exception_handlers={HTTPException: _refuse},
    )
    app.router.redirect_slashes = False
    return app


def monitor_listener(host: str, port: int) -> socket.socket:
    """A socket that listens for the pages, so that a wrong address is known before anything else is begun.

    Raises:
        SettingsError: the address can't be listened at.

    """
    try:
        family, address = _resolved(host, port)
        with contextlib.ExitStack() as failing:
            listener = failing.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if os.name == "posix":  # elsewhere it would take a port from whoever has it
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            failing.pop_all()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"{_VARIABLE}: cannot listen at {host} port {port}: {reason}") from None
    return listener


async def serve_at(listener: socket.socket, app: ASGIApp) -> None:
    """Serve the pages at a socket until cancelled, on the running loop; close it then.

    Raises:
        MissingExtraError: the extra `worker` is not installed.

    """
    with listener:
        server = _server(app)
        async with anyio.create_task_group() as group:
            group.start_soon(_run, server, listener)
            try:
                await anyio.sleep_forever()
            finally:
                server.should_exit = True


class _Pages:
    """What is answered; never raises for what its sources do."""

    def __init__(
        self,
        snapshot: Callable[[], Statistics],
        problem: Callable[[], str],
        exposition: Callable[[], tuple[bytes, str]],
    ) -> None:
        self._snapshot = snapshot
        self._problem = problem
        self._exposition = exposition
        self._guard = Guard("answering those who watch the worker")

    async def health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=_NO_STORE)

    async def readiness(self, _request: Request) -> Response:
        state: dict[str, Any] = _UNKNOWN
        with self._guard:
            state = self._state()
        return JSONResponse(state, 200 if state["ready"] else 503, _NO_STORE)

    async def metrics(self, _request: Request) -> Response:
        with self._guard:
            # A scrape that hangs must hold up neither the worker's loop nor its end.
            body, kind = await anyio.to_thread.run_sync(self._exposition, abandon_on_cancel=True)
            return Response(body, headers={**_NO_STORE, "content-type": kind})
        return _refusal(500)

    def _state(self) -> dict[str, Any]:
        why, statistics = self._problem(), self._snapshot()
        # A shadow that does not answer is no reason to take its worker away: its breaker is there for it.
        opened = [one.shadow for one in statistics.shadows if one.circuit == "open"]
        state = {"open_circuits": opened, "lag": statistics.lag}
        return {"ready": False, "why": why, **state} if why else {"ready": True, **state}


async def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refusal(error.status_code, dict(error.headers or {}))


def _refusal(status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(status_code=status, headers={**(headers or {}), **_NO_STORE})


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """The family and address of a host; of several, one of IPv4, which `localhost` means to most clients."""
    found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, (address[0], port, *address[2:])


def _server(app: ASGIApp) -> uvicorn.Server:
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError(_VARIABLE, "worker") from None

    class Server(uvicorn.Server):
        """Leaves signals to the worker, which drains on them."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return Server(config)


async def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    # Cancelled in the middle it would leave connections open; it is told to end instead.
    with anyio.CancelScope(shield=True):
        await server.serve(sockets=[listener])
