"""Stores of made-up days, dashboards over them, and a real browser."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dashboard_records import write_day
from dashboard_server import Server, Visitor

from shadow_mw.dashboard import board, dashboard
from shadow_mw.stores.compaction import compact

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ENABLE = "enable with: apt-get install chromium && pip install playwright (or CHROMIUM=/path/to/it)"


@pytest.fixture(scope="session", autouse=True)
def _patient():
    """However slow the machine, a page is waited for; the tests of waiting set less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board, "PATIENCE_SECONDS", 100.0)
        yield


@pytest.fixture(scope="session")
def day(tmp_path_factory) -> Path:
    """A store with a day of 6,000 exchanges, which ended just now."""
    folder = tmp_path_factory.mktemp("day") / "store"
    write_day(folder, 6000, end_us=time.time_ns() // 1000)
    compact(folder)
    return folder


@pytest.fixture(scope="session")
def client(day) -> Visitor:
    return Visitor(dashboard(str(day)))


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Serves an app on a port of its own until the test is over."""
    servers: list[Server] = []

    def start(app) -> Server:
        servers.append(Server(app))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def day_url(day) -> Iterator[str]:
    server = Server(dashboard(str(day), trace_ui="http://traces.test/trace/{trace_id}"))
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def chromium():
    # Not longer than a module: while Playwright runs, no other test of this thread can have an event loop.
    sync_api = pytest.importorskip("playwright.sync_api", reason=f"no playwright: {ENABLE}")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: {ENABLE}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens a page that must stay clean: no console error, no refused content, no dialog, no script error."""
    contexts, complaints = [], []

    def open_(url: str, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(url)
        return page

    open_.complaints = complaints
    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
