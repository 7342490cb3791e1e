"""The example with Jaeger does what its README says, when its commands are run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_fixtures import runtime
from process_tools import Runtime, until
from terminals import Terminals

__all__ = ["runtime"]

UP = "Uvicorn running"
HOW = "no Jaeger is installed; to run this: .ci/install-tracing"
PORTS = (16686, 16685, 4317, 4318, 5317, 5318, 8000, 8001)
APPROVES, DECLINES = (rf'\{{"label":"{label}",.*\}}' for label in ("approve", "decline"))
WATERFALL = [
    r"http://127\.0\.0\.1:\d+/trace/[0-9a-f]{32}",
    r" +0\.0 ms +\d+\.\d ms  POST /decide",
    rf" +\d+\.\d ms +\d+\.\d ms  predict production  shadow_mw\.prediction {DECLINES}",
    (
        r" +\d+\.\d ms +\d+\.\d ms  predict shadow      shadow_mw\.verdict disagree, "
        rf"shadow_mw\.prediction {APPROVES}, shadow_mw\.production\.prediction {DECLINES}"
    ),
    r"1 trace",
]


@pytest.fixture
def terminals(tmp_path: Path, runtime: Runtime) -> Iterator[Terminals]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if not list((cache / "shadow_mw").glob("jaeger-*/jaeger")):
        pytest.skip(HOW)
    with Terminals("jaeger", tmp_path, runtime, *PORTS) as terminals:
        yield terminals


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def finds(terminals: Terminals, block: str, last: str, lines: int) -> list[str]:
    """What a search shows, once it has so many traces and spans (the app and the mirror send apart)."""
    said: list[str] = []

    def found() -> bool:
        said[:] = terminals.run(block).splitlines()
        return said[-1] == last and len(said) >= lines

    until(found, lambda: said)
    return said


@pytest.mark.timeout(400)
def test_the_readme_can_be_typed_line_by_line(terminals: Terminals) -> None:
    (
        install,
        terminal,
        docker,
        jaeger,
        shadow,
        app,
        traffic,
        look,
        look_id,
        curl,
        linked_app,
        few,
        linked,
        collector,
        clear,
    ) = terminals.blocks()
    assert install.splitlines()[1].startswith("pip install --quiet '../..' fastapi uvicorn")
    assert terminal.strip() == ". .venv/bin/activate && . ./settings.sh"
    assert "-2.13.0/jaeger" in terminals.run("./build-jaeger.sh"), "both ways lead to the same release"
    assert "jaegertracing/jaeger:2.13.0" in docker

    terminals.start("jaeger", jaeger, "Jaeger takes spans at")
    until(lambda: listens(terminals.ports[16686]) and listens(terminals.ports[4317]), "Jaeger")
    terminals.start("shadow", shadow, UP)
    terminals.start("app", app, UP)
    assert "shadow_mw mirrors all of POST /decide to challenger=" in terminals.said("app")
    assert terminals.run(traffic) == "100 requests, all answered\n"

    for block in (look, look_id):
        said = finds(terminals, block, "1 trace", len(WATERFALL))
        assert len(said) == len(WATERFALL), said
        for line, pattern in zip(said, WATERFALL, strict=True):
            assert re.fullmatch(pattern, line), line
    if shutil.which("curl"):
        [told] = json.loads(terminals.run(curl))["data"]
        assert all(span["warnings"] in (None, []) for span in told["spans"])

    terminals.ctrl_c("app")
    terminals.start("linked", linked_app, UP)
    assert terminals.run(few) == "8 requests, all answered\n"
    said = finds(terminals, linked, "2 traces", 0)
    assert sum("predict shadow" in line for line in said) == 2
    assert sum("predict production" in line for line in said) == 1
    terminals.start("collector", collector)
    until(lambda: listens(terminals.ports[5317]), lambda: terminals.said("collector"))
    for name in ("collector", "linked", "shadow", "jaeger"):
        terminals.ctrl_c(name)
    terminals.run(clear)
    assert not (terminals.folder / ".shadow").exists()
