"""The dashboard as an ASGI app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from shadow_mw.analysis.criteria import Criteria
from shadow_mw.assembly.stores import open_reader
from shadow_mw.dashboard.access import Access
from shadow_mw.dashboard.answers import Answers, StillAsking
from shadow_mw.dashboard.board import Board
from shadow_mw.dashboard.gatekeeper import Gatekeeper
from shadow_mw.dashboard.pages import FOLDER, Pages
from shadow_mw.dashboard.scrape import Scrape
from shadow_mw.exceptions import SettingsError, ShadowMWError, StoreError
from shadow_mw.settings import Settings, load_settings


def dashboard(store: str | None = None, *, token: str | None = None, **settings: Any) -> ASGIApp:
    """The ASGI app that shows what a store holds.

    It is mounted as in `app.mount("/shadow", dashboard())`.

    It only reads. Without a token it answers this machine alone; see `docs/dashboard.md`.

    Args:
        store: its folder or URL; `SHADOW_STORE` if not given.
        token: what others must show, 16 characters or more; `SHADOW_DASHBOARD_TOKEN` if not given.
        **settings: any other setting, as `gate_min_agreement=0.98`; they win over the environment.

    Raises:
        SettingsError: a setting is wrong.
        MissingExtraError: the extra `dashboard` is not installed.

    """
    if token is not None:
        settings["dashboard_token"] = token
    found = load_settings(**settings)
    access = Access(found.dashboard_token)
    where = store or found.store
    if where == "none":
        raise SettingsError("SHADOW_STORE is none, so no records are kept: name a store for the dashboard")
    answers, criteria = Answers(where, open_reader), _criteria(found)
    board = Board(answers, Pages(), criteria, found.trace_ui)
    return Gatekeeper(_site(board, Scrape(answers, criteria).metrics), access)


def _criteria(settings: Settings) -> Criteria:
    """The limits of the gate as the settings have them."""
    return Criteria(**{name: getattr(settings, f"gate_{name}") for name in Criteria.__struct_fields__})


def _site(board: Board, metrics: Callable[[Request], Awaitable[Response]]) -> Starlette:
    return Starlette(
        routes=[
            Route("/", board.overview),
            Route("/exchanges", board.exchanges),
            Route("/exchange/{record_id}", board.exchange),
            Route("/api/analysis", board.analysis),
            Route("/api/gate", board.gate, methods=["GET", "POST"]),
            Route("/healthz", board.health),
            Route("/metrics", metrics),
            Mount("/static", StaticFiles(directory=FOLDER / "static"), name="static"),
        ],
        exception_handlers={
            StillAsking: board.waiting,
            HTTPException: board.problem,
            ShadowMWError: board.problem,
            StoreError: board.problem,
        },
    )
