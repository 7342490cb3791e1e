"""Apps behind the mirror that end with their test, over both clients for HTTP shadows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mirrored_app import MirroredApp
from process_fixtures import make_app, runtime, shadow, start

__all__ = ["library", "make_app", "mirrored", "runtime", "shadow", "start"]


@pytest.fixture(params=["httpx", "httptools"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The client that asks the shadow, of a worker in this process."""
    monkeypatch.setattr("shadow_mw.assembly.shadows.http_client", lambda: request.param)
    return str(request.param)


@pytest.fixture
def mirrored() -> Iterator[Callable[..., MirroredApp]]:
    made: list[MirroredApp] = []

    def make(targets: str, **settings: Any) -> MirroredApp:
        made.append(MirroredApp(targets, **settings))
        return made[-1]

    yield make
    for app in made:
        app.close()
