"""The examples around the gate: what they name exists, and the gate answers what they ask."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from gate_stores import stretch, write_story
from report_records import Call

from shadow_mw.cli import make_parser
from shadow_mw.dashboard import dashboard
from shadow_mw.settings import Settings, variable

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "gate"
PAGE = (ROOT / "docs" / "gate.md").read_text()


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A candidate that may be promoted, behind a dashboard that wants a token."""
    monkeypatch.setenv("SHADOW_DASHBOARD_TOKEN", "REPLACE-WITH-THE-TOKEN")
    fates = {"agree": 4995, "disagree": 5}
    write_story(tmp_path, [Call(call.fate, shadow="candidate") for call in stretch(fates)])
    return str(tmp_path)


async def ask(store: str, method: str, url: str, **request) -> httpx.Response:
    parts = urlsplit(url)
    transport = httpx.ASGITransport(dashboard(store))
    async with httpx.AsyncClient(transport=transport, base_url=f"{parts.scheme}://{parts.netloc}") as client:
        return await client.request(method, f"{parts.path}?{parts.query}", timeout=60, **request)


@pytest.mark.parametrize("name", [path.name for path in sorted(EXAMPLES.iterdir())])
def test_every_example_is_yaml_and_linked(name):
    assert all(isinstance(document, dict) for document in documents(name))
    assert f"../examples/gate/{name}" in PAGE


def test_the_snippets_of_the_page_are_yaml():
    snippets = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(snippets) == 3
    assert all(yaml.safe_load(snippet) for snippet in snippets)


def test_the_commands_of_the_job_are_ours():
    (job,) = documents("github-actions.yml")
    steps = job["jobs"]["gate"]["steps"]
    lines = [line for step in steps for line in step.get("run", "").splitlines() if "shadow-mw " in line]
    commands = [line for line in lines if line.startswith("shadow-mw ")]
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command.partition(">")[0])
        assert make_parser().parse_args(words[1:]).run
    assert set(job["jobs"]["gate"]["env"]) <= {variable(name) for name in Settings.model_fields}


def test_argo_gets_the_verdict_that_it_is_told_to_read(store):
    import anyio

    (metric,) = documents("argo-rollouts.yaml")[0]["spec"]["metrics"]
    web = metric["provider"]["web"]
    url = web["url"].replace("{{args.shadow}}", "candidate").replace("&last=24h", "")
    (header,) = web["headers"]
    headers = {header["key"]: header["value"].replace("{{args.token}}", "REPLACE-WITH-THE-TOKEN")}

    async def run() -> httpx.Response:
        return await ask(store, "GET", url, headers=headers)

    answer = anyio.run(run)
    field = re.fullmatch(r"\{\$\.(\w+)\}", web["jsonPath"])[1]
    assert f'result == "{answer.json()[field]}"' == metric["successCondition"]


def test_flagger_gets_a_status(store):
    import anyio

    (canary,) = documents("flagger.yaml")
    (hook,) = canary["spec"]["analysis"]["webhooks"]
    without_window = {key: value for key, value in hook["metadata"].items() if key != "last"}
    payload = {"name": "scoring", "namespace": "ml", "phase": "Progressing", "metadata": without_window}

    async def run(**metadata: str) -> int:
        body = {**payload, "metadata": without_window | metadata}
        return (await ask(store, "POST", hook["url"], json=body)).status_code

    async def all_three() -> list[int]:
        return [await run(), await run(min_agreement="0.9999"), await run(min_samples="20000")]

    assert anyio.run(all_three) == [200, 409, 425]


def test_every_limit_and_variable_stands_in_the_page():
    for name in Settings.model_fields:
        if name.startswith("gate_"):
            assert f"`{variable(name)}`" in PAGE or f"({variable(name)}," in PAGE.replace("`", "")
            assert f"--{name.removeprefix('gate_').replace('_', '-')}" in PAGE
