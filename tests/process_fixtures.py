"""Fixtures for tests that start programs: each test has a folder for sockets of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from process_tools import App, Program, Runtime, runtime_folder
from stub_shadow import StubShadow


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    with runtime_folder() as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime.path))
        monkeypatch.setenv("SHADOW_QUEUE", "process:")
        yield runtime


@pytest.fixture
def shadow() -> Iterator[StubShadow]:
    with StubShadow() as stub:
        yield stub


@pytest.fixture
def make_app(runtime: Runtime) -> Iterator[Callable[..., App]]:
    """Makes apps in this process; they are closed at the end, and their mirror process is gone then."""
    made: list[App] = []

    def make(targets: str, **settings: Any) -> App:
        made.append(App(targets, **settings))
        return made[-1]

    yield make
    for app in made:
        app.installation.close()


@pytest.fixture
def start(runtime: Runtime, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts programs that end with the test at the latest."""
    started: list[Program] = []

    def make(*command: str, **environment: Any) -> Program:
        started.append(Program(list(command), tmp_path, runtime, **environment))
        return started[-1]

    yield make
    for program in started:
        program.kill()
