"""docs/ways-in.md: its code runs, and its commands are commands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import shadow_mw
from shadow_mw.cli import make_parser
from shadow_mw.doors.automatic import HOOKS, unhook_all

PAGE = (Path(__file__).parents[2] / "docs" / "ways-in.md").read_text()
SECTIONS = {part.partition("\n")[0].strip("`@ "): part for part in PAGE.split("\n## ")[1:]}


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTIONS[section], re.DOTALL)


def test_the_app_that_is_instrumented_is_mirrored(monkeypatch):
    monkeypatch.setenv("SHADOW_TARGETS", "http://127.0.0.1:9")
    monkeypatch.setenv("SHADOW_ROUTES", "POST /predict")
    [code] = blocks("instrument", "python")
    names: dict[str, object] = {"__name__": "main"}
    exec(compile(code, "main.py", "exec"), names)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(names["app"])  # type: ignore[arg-type]  # it is FastAPI's
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            return await client.post("/predict", json={"rooms": 2})

    before = len(shadow_mw.statistics())
    assert asyncio.run(ask()).json() == {"price": 6.0}
    assert shadow_mw.drain(30)
    assert len(shadow_mw.statistics()) == before + 1


def test_the_decorated_script_prints_its_books(tmp_path):
    code, _ = blocks("shadow", "python")
    (tmp_path / "batch.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "batch.py"],
        cwd=tmp_path,
        env={**os.environ, "OTEL_SDK_DISABLED": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    books = json.loads(done.stdout.replace("'", '"'))
    assert books == {"POST /__main__.predict": {"eligible": 10, "compared": 10, "disagree": 10}}
    assert (
        "shadow_mw mirrors all of POST /__main__.predict to shadow=python:__main__:candidate" in done.stderr
    )


def test_the_request_id_is_a_parameters():
    _, code = blocks("shadow", "python")
    names: dict[str, object] = {"__name__": "main"}
    exec(compile(code, "main.py", "exec"), names)
    assert names["predict"]("order-1", 2.0) == 1.0  # type: ignore[operator]  # the block defines a function


def test_the_instrumentor_in_code():
    [code] = blocks("opentelemetry-instrument", "python")
    names: dict[str, object] = {}
    exec(compile(code, "main.py", "exec"), names)
    names["ShadowInstrumentor"]().uninstrument()  # type: ignore[operator]  # the block imports a class
    unhook_all()


def commands() -> list[str]:
    sections = ("shadow-mw run", "opentelemetry-instrument")
    return [
        line
        for section in sections
        for block in blocks(section, "sh")
        for line in block.splitlines()
        if not line.startswith(("export", "pip"))
    ]


@pytest.mark.parametrize("command", commands())
def test_a_command_is_one(command):
    first, *rest = shlex.split(command)
    folder = str(Path(sys.executable).parent)
    assert shutil.which(first, path=folder), f"{first} is not installed"
    if first == "shadow-mw":
        parsed = make_parser().parse_args(rest)
        assert shutil.which(parsed.command[0], path=folder)


def test_every_framework_that_is_hooked_is_named():
    hooked = {name.partition(".")[0] for name in HOOKS}
    assert hooked == {name for name in hooked if name in SECTIONS["shadow-mw run"].lower()}
