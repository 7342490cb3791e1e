"""The code in docs/: what is Python runs, commands are commands, settings are settings, files can be read."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI
from report_records import Call, write_calls

from shadow_mw import ShadowMiddleware
from shadow_mw.cli import make_parser
from shadow_mw.configuration import PREFIX
from shadow_mw.settings import Settings, load_settings
from shadow_mw.testing import drain

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Pages whose Python is run by tests of their own.
RUN_ELSEWHERE = {"envelope", "frameworks", "monitoring", "tutorial", "ways-in"}
NEEDED = {
    "targets": "http://127.0.0.1:9000",
    "routes": "POST /predict, POST /embed",
    "redact_key": "0123456789abcdef",
}


def blocks(page: str, language: str) -> list[str]:
    return [code for kind, code in FENCE.findall((DOCS / f"{page}.md").read_text()) if kind == language]


def run(code: str, **names: Any) -> dict[str, Any]:
    exec(compile(code, "block.py", "exec"), names)
    return names


def ask(app: Any, method: str, path: str, **request: Any) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **request)

    return asyncio.run(asked())


def test_a_comparator_of_ones_own():
    (code,) = blocks("comparators", "python")
    same_price = run(code)["same_price"]
    assert same_price({"price": 3.0}, {"price": 3.001})
    assert not same_price({"price": 3.0}, {"price": 4.0})


def test_the_dashboard_inside_an_app(tmp_path):
    (code,) = blocks("dashboard", "python")
    app = run(code, app=FastAPI())["app"]
    page = ask(app, "GET", "/shadow/")
    assert page.status_code == 200
    assert "<html" in page.text


def test_the_guard_of_a_shadows_own_server():
    line, asked = blocks("guard", "python")
    assert len(run(line, app=FastAPI())["app"].user_middleware) == 1
    saved: list[str] = []
    run(asked, save=saved.append, prediction="up")
    assert saved == ["up"]


def test_a_shadow_without_a_server(tmp_path, monkeypatch):
    import joblib
    from sklearn.linear_model import LinearRegression

    module, line = blocks("python-shadows", "python")
    monkeypatch.chdir(tmp_path)
    joblib.dump(LinearRegression().fit([[1.0], [2.0]], [3.0, 6.0]), "forest.joblib")
    predict = run(module)["predict"]
    assert predict({"rooms": 3}) == {"price": pytest.approx(9.0)}

    app = FastAPI()

    class Model:
        predict = staticmethod(lambda features: {"price": 6.0})

    @app.post("/predict")
    def answer() -> dict[str, float]:
        return {"price": 6.0}

    monkeypatch.setenv("SHADOW_ROUTES", "POST /predict")
    run(line, app=app, model=Model, ShadowMiddleware=ShadowMiddleware)
    assert ask(app, "POST", "/predict", json={"rooms": 2}).json() == {"price": 6.0}
    assert drain()


def test_questions_in_python(tmp_path, capsys):
    (code,) = blocks("stores", "python")
    write_calls(tmp_path, [Call("agree"), Call("agree"), Call("disagree")])
    run(re.sub(r'"postgresql://[^"]*"', repr(str(tmp_path)), code))
    assert capsys.readouterr().out == "2 1\n"


def test_all_python_is_run_by_some_test():
    here = {"comparators", "dashboard", "guard", "python-shadows", "stores"}
    with_python = {page.stem for page in PAGES if blocks(page.stem, "python")}
    assert with_python <= here | RUN_ELSEWHERE


def assignments(text: str) -> list[tuple[str, str]]:
    found = re.findall(r"^(?:export )?(SHADOW_[A-Z_]+)=('[^'\n]*'|\"[^\"\n]*\"|\S*)", text, re.MULTILINE)
    return [
        (name, value[1:-1] if value[:1] in "'\"" and value else value)
        for name, value in found
        if "…" not in value and "$" not in value
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_in_code_are_settings(page, tmp_path):
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef")
    for code in blocks(page.stem, "sh"):
        for name, value in assignments(code):
            if name.startswith(("SHADOW_GUARD", "SHADOW_KAFKA_", "SHADOW_MW_")):
                continue
            field = name.removeprefix(PREFIX).lower()
            assert field in Settings.model_fields, f"{page.name}: {name}"
            load_settings(**{**NEEDED, field: value.replace("/run/secrets/redact-key", str(key))})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_in_code_are_commands(page):
    parser = make_parser()
    for code in blocks(page.stem, "sh"):
        for line in re.sub(r"\\\n\s*", "", code).splitlines():
            found = re.match(r"(?:\S+/)?shadow-mw ([^|&>]*)", line.partition(" #")[0])
            if found and line.count('"') % 2 == 0:  # a statement that goes on is SQL's own matter
                parser.parse_args(shlex.split(found[1]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_in_code_can_be_read(page):
    for code in blocks(page.stem, "yaml"):
        assert list(yaml.safe_load_all(code))
    for code in blocks(page.stem, "json"):
        assert json.loads(code)
