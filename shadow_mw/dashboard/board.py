"""The board: what stands behind each address of the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args
from urllib.parse import quote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from shadow_mw import questions
from shadow_mw.analysis.choice import chosen_shadow
from shadow_mw.analysis.criteria import Criteria
from shadow_mw.analysis.decision import decide_over
from shadow_mw.dashboard.answers import Answers
from shadow_mw.dashboard.contrast import contrast
from shadow_mw.dashboard.gate import STATUS, gate_answer, read_criteria, read_last_seconds
from shadow_mw.dashboard.liveness import liveness
from shadow_mw.dashboard.losses import judged, losses, ordered, paired_rows, summary
from shadow_mw.dashboard.overview import Menu, make_overview, make_verdict, read_menu
from shadow_mw.dashboard.pages import Pages
from shadow_mw.dashboard.selection import RANGES, Selection, now_us, read_selection
from shadow_mw.exceptions import SettingsError, StoreError
from shadow_mw.protocols import Reader
from shadow_mw.scope import Scope

T = TypeVar("T")

PAGE_ROWS = 50
_LONGEST_ID = 100
#: A page that takes longer is asked for again by itself; a program waits.
PATIENCE_SECONDS = 2.0
_JSON = "application/json"


class Board:
    """The endpoints of the dashboard over one store."""

    def __init__(self, answers: Answers, pages: Pages, criteria: Criteria, trace_ui: str) -> None:
        """Take where answers come from, and the defaults of the gate."""
        self._answers = answers
        self._pages = pages
        self._criteria = criteria
        self._trace_ui = trace_ui

    def __repr__(self) -> str:
        """Name its answers."""
        return f"Board({self._answers!r})"

    async def overview(self, request: Request) -> Response:
        """The first page."""
        selection = read_selection(request.query_params)
        menu = await self._menu(selection)
        if menu is None or not menu.shadow:
            return self._respond(request, "empty.html", selection, menu)
        criteria, scope = self._criteria, selection.scope(menu.shadow, now_us())
        overview = await self._show(
            ("overview", scope, criteria, menu.shadow),
            lambda reader: make_overview(reader, scope, criteria, menu, now_us()),
        )
        return self._respond(
            request,
            "overview.html",
            selection,
            menu,
            overview=overview,
            now=liveness(overview.signs, now_us()),
            summary=summary(overview.decision, overview.analysis),
            judged=judged(overview.decision, overview.analysis),
            criteria=ordered(overview.decision),
            losses=losses(overview.analysis.account),
            paired=paired_rows(overview.analysis),
        )

    async def exchanges(self, request: Request) -> Response:
        """The list of exchanges."""
        selection = read_selection(request.query_params)
        menu = await self._menu(selection)
        if menu is None or not menu.shadow:
            return self._respond(request, "empty.html", selection, menu)
        wanted = _listing(request.query_params)
        scope = selection.scope(menu.shadow, now_us())
        rows = await self._show(
            ("listing", scope, *wanted.values()), lambda reader: questions.listing(reader, scope, **wanted)
        )
        return self._respond(
            request, "exchanges.html", selection, menu, rows=rows, page_rows=PAGE_ROWS, **wanted
        )

    async def exchange(self, request: Request) -> Response:
        """One exchange."""
        selection = read_selection(request.query_params)
        record_id = request.path_params["record_id"][:_LONGEST_ID]
        whole = await self._show(
            ("exchange", record_id), lambda reader: questions.exchange(reader, record_id)
        )
        if whole is None:
            raise HTTPException(404, "There is no such exchange in this store; it may be too old to be kept.")
        one = whole.comparison
        return self._respond(
            request,
            "exchange.html",
            selection,
            await self._menu(selection),
            one=one,
            siblings=whole.siblings,
            contrast=contrast(one.production_prediction, one.shadow_prediction, one.diff_paths),
            trace_url=self._trace_ui.replace("{trace_id}", quote(one.trace_id, safe=""))
            if one.trace_id
            else "",
        )

    async def analysis(self, request: Request) -> Response:
        """The analysis as JSON."""
        query = request.query_params
        selection, criteria = read_selection(query), read_criteria(query, self._criteria)
        verdict = await self._answers.ask(
            ("verdict", selection, criteria),
            lambda reader: make_verdict(reader, _named_scope(reader, selection), criteria),
        )
        return Response(msgspec.json.encode(verdict), media_type=_JSON)

    async def gate(self, request: Request) -> Response:
        """The decision as JSON for Argo Rollouts (GET), and as a status for Flagger (POST)."""
        is_posted = request.method == "POST"
        query = dict(request.query_params) | (await _metadata(request) if is_posted else {})
        selection, last_seconds = read_selection(query), read_last_seconds(query)
        criteria = read_criteria(query, self._criteria)
        decision = await self._answers.ask(
            ("gate", selection, criteria, last_seconds),
            lambda reader: decide_over(
                reader, _named_scope(reader, selection), criteria, last_seconds=last_seconds
            ),
        )
        status = STATUS[decision.verdict] if is_posted else 200
        return Response(gate_answer(decision), status, media_type=_JSON)

    async def health(self, request: Request) -> Response:
        """That this process is up."""
        del request
        return PlainTextResponse("ok\n")

    async def waiting(self, request: Request, error: Exception) -> Response:
        """The page that stands in for one whose answer is still being made."""
        del error
        return self._pages.respond(request, "waiting.html", 202, store=self._answers.place)

    async def problem(self, request: Request, error: Exception) -> Response:
        """What went wrong, as a sentence: on a page, or as JSON for the API."""
        status, sentence = _sentence(error)
        if request.url.path.removeprefix(request.scope.get("root_path", "")).startswith("/api/"):
            return JSONResponse({"error": sentence}, status)
        return self._pages.respond(request, "problem.html", status, sentence=sentence)

    async def _menu(self, selection: Selection) -> Menu | None:
        """What there is to pick from; None where there is no store yet."""
        try:
            found = await self._show("seen", questions.seen)
        except StoreError:
            if not self._answers.is_absent:
                raise
            return None
        return read_menu(found, selection)

    async def _show(self, key: Any, make: Callable[[Reader], T]) -> T:
        return await self._answers.ask_soon(key, make, PATIENCE_SECONDS)

    def _respond(
        self, request: Request, name: str, selection: Selection, menu: Menu | None, **values: Any
    ) -> Response:
        return self._pages.respond(
            request, name, selection=selection, menu=menu, ranges=RANGES, store=self._answers.place, **values
        )


def _named_scope(reader: Reader, selection: Selection) -> Scope:
    """The scope of what a program asks: unlike a person it must name the shadow where there are several."""
    shadow = chosen_shadow(reader, selection.shadow or None, selection.route or None)
    return selection.scope(shadow, now_us())


def _listing(query: Mapping[str, str]) -> dict[str, Any]:
    """The keywords of `questions.listing` that a query names."""
    only, order, before = query.get("only", "disagree"), query.get("order"), query.get("before", "")
    return {
        "only": only if only in get_args(questions.Only) else None,
        "order": order if order in get_args(questions.Order) else "newest",
        "before": int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None,
        "limit": PAGE_ROWS,
    }


async def _metadata(request: Request) -> dict[str, str]:
    """What stands in `metadata` of a Flagger webhook, as if it stood in the query."""
    body = await request.body()
    try:
        metadata = msgspec.json.decode(body)["metadata"] if body else {}
        return msgspec.convert(metadata or {}, dict[str, str])
    except (msgspec.MsgspecError, KeyError, TypeError, RecursionError, UnicodeDecodeError):
        return {}


def _sentence(error: Exception) -> tuple[int, str]:
    if isinstance(error, HTTPException):
        if error.detail == "Not Found":
            return 404, "There is no such page."
        return error.status_code, str(error.detail)
    sentence = str(error).rstrip(".")
    status = 400 if isinstance(error, SettingsError) else 503
    return status, f"{sentence[:1].upper()}{sentence[1:]}."
