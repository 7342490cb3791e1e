"""The example of each framework does what its README says, when its commands are run as they stand there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from curl_line import send
from environments import variables_of
from framework_examples import EXAMPLES, FrameworkExample
from process_fixtures import runtime
from process_tools import Runtime, comparisons, until
from terminals import EXAMPLES as FOLDERS
from terminals import PATIENCE_SECONDS, Terminals, reported

__all__ = ["runtime"]

BY_FOLDER = {example.folder: example for example in EXAMPLES}
DJANGO, BENTOML = BY_FOLDER["django_app"], BY_FOLDER["bentoml_service"]
BOTH = {"eligible": 2, "compared": 2, "unaccounted": 0, "agree": 1, "disagree": 1}


@pytest.fixture
def terminals(request: pytest.FixtureRequest, tmp_path: Path, runtime: Runtime) -> Iterator[Terminals]:
    example: FrameworkExample = request.param
    own = variables_of(example.environment, tmp_path / "home") if example.environment else {}
    with Terminals(example.folder, tmp_path, runtime, 8000, 8001, variables=own) as terminals:
        yield terminals


def is_ready(terminals: Terminals, port: int, path: str) -> bool:
    try:
        url = f"http://127.0.0.1:{terminals.ports[port]}{path}"
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def wait_for_models(terminals: Terminals, name: str, port: int, path: str) -> None:
    if path:
        until(lambda: is_ready(terminals, port, path), lambda: terminals.said(name), PATIENCE_SECONDS)


def ask_twice(terminals: Terminals, requests: str, key: str = "label") -> tuple[Any, ...]:
    return tuple(as_told(send(line, terminals.folder)[key]) for line in requests.strip().splitlines())


def as_told(prediction: Any) -> Any:
    """As a README writes it."""
    return round(prediction, 1) if isinstance(prediction, float) else prediction


def differing(terminals: Terminals, key: str) -> tuple[Any, Any]:
    """Both predictions of the one comparison that disagrees."""
    (one,) = (one for one in comparisons(terminals.folder / ".shadow") if one["verdict"] == "disagree")
    sides = (json.loads(one[f"{side}_prediction"]) for side in ("production", "shadow"))
    production, shadow = (as_told(side[key] if isinstance(side, dict) else side) for side in sides)
    return production, shadow


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("example", "terminals"),
    [(one, one) for one in EXAMPLES],
    indirect=["terminals"],
    ids=lambda one: one.folder,
)
def test_the_readme_can_be_typed_line_by_line(example: FrameworkExample, terminals: Terminals) -> None:
    walk(example, terminals)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("terminals", [BENTOML], indirect=True)
def test_bentoml_by_instrument(terminals: Terminals) -> None:
    service = terminals.folder / "service.py"
    text = service.read_text().replace(BENTOML.line, "instrument(Irises)")
    service.write_text(text.replace("import ShadowMiddleware", "import instrument"))
    assert "instrument" in text
    walk(BENTOML, terminals)


def walk(example: FrameworkExample, terminals: Terminals) -> None:
    """Type the README, and see what it says."""
    challenger, production, requests, report = terminals.blocks()[:4]
    terminals.start("challenger", challenger, example.shadow_is_up)
    terminals.start("production", production, example.is_up)
    wait_for_models(terminals, "production", 8000, example.ready)
    if not challenger.startswith("uvicorn"):
        wait_for_models(terminals, "challenger", 8001, example.ready)
    assert ask_twice(terminals, requests, example.key) == example.predictions
    assert reported(terminals, report, 2) == BOTH
    assert differing(terminals, example.key) == (example.predictions[1], example.other)
    readme = (terminals.folder / "README.md").read_text()
    assert f"production {example.predictions[1]}, shadow {example.other}." in readme
    said = terminals.said("production")
    name = re.findall(r"SHADOW_TARGETS=(\w+=http://127.0.0.1:)", production)
    assert (f"mirrors all of POST /predict to {name[0]}" in said) is example.announces
    assert "Traceback" not in said + terminals.said("challenger")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("terminals", [DJANGO], indirect=True)
def test_django_behind_a_wsgi_server(terminals: Terminals) -> None:
    challenger, _, requests, report, production = terminals.blocks()
    terminals.start("challenger", challenger, "Uvicorn running")
    terminals.start("production", production, "Booting worker")
    assert ask_twice(terminals, requests) == ("setosa", "virginica")
    assert reported(terminals, report, 2) == BOTH
    assert "Traceback" not in terminals.said("production")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.folder)
def test_the_app_has_one_added_line_and_three_variables(example: FrameworkExample) -> None:
    folder = FOLDERS / example.folder
    lines = (folder / example.app).read_text().splitlines()
    added = [line.strip() for line in lines if "shadow_mw" in line or example.middleware in line]
    assert added == [f"from shadow_mw import {example.middleware}", example.line]
    readme = (folder / "README.md").read_text()
    assert example.line in readme
    production = readme.split("```sh\n")[2]
    assert production.count("export SHADOW_") == 3
    assert "import shadow_mw" not in (folder / "challenger.py").read_text()
    assert "from shadow_mw" not in (folder / "challenger.py").read_text()
