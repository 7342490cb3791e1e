"""What the page on traces tells one to type and to set, tried where it can be."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from jaeger import EXAMPLE, Jaeger

from shadow_mw.settings import Settings
from shadow_mw.telemetry import names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "traces.md").read_text()
TELEMETRY = (ROOT / "docs" / "telemetry.md").read_text()
PARSER = Path(__file__).with_name("parse_traceql.mjs")
HOW = "no grammar of TraceQL is installed; to run this: .ci/install-tracing"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def queries(page: str) -> list[str]:
    blocks = re.findall(r"```traceql\n(.*?)```", page, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def errors(asked: list[str]) -> list[list[str]]:
    """What the parser of Grafana's editor has against each query."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = sorted((cache / "shadow_mw").glob("traceql-*"))
    if not found or not shutil.which("node"):
        pytest.skip(HOW)
    done = subprocess.run(
        ["node", str(PARSER), str(found[-1])],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return list(json.loads(done.stdout))


def test_every_query_for_tempo_parses() -> None:
    asked = queries(PAGE) + queries(TELEMETRY)
    assert len(asked) > 15
    assert [bad for bad in errors(asked) if bad] == []
    [bad, worse, _] = errors(['{ name = "x" } | rrate()', "{ nonsense", "{ }"])
    assert bad and worse, "a parser that takes everything proves nothing"  # noqa: PT018 (one claim)


def test_every_attribute_in_a_query_is_one_of_ours() -> None:
    asked = " ".join(queries(PAGE) + queries(TELEMETRY))
    named = set(re.findall(r"span\.([a-z_.]+)", asked))
    assert named <= set(names.SPAN_ATTRIBUTES)
    assert {names.REQUEST_ID, names.VERDICT, names.ROLE, names.SHADOW_NAME} <= named


def test_every_tag_in_a_search_is_one_of_ours() -> None:
    rows = re.findall(r"^\| `([^`]+=[^`]+)`", PAGE, re.MULTILINE)
    tags = {tag.partition("=")[0] for row in rows for tag in row.split()}
    assert {"request.id", "shadow_mw.verdict", "shadow_mw.outcome"} <= tags
    assert tags <= set(names.SPAN_ATTRIBUTES)


@pytest.mark.parametrize("name", ["ui.json", "tail-sampling.yaml"])
def test_the_page_has_the_very_files_that_are_tried(name: str) -> None:
    [written] = re.findall(rf"<!-- examples/jaeger/{name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert written == (EXAMPLE / name).read_text()


def test_jaeger_hands_its_page_the_configuration(jaeger: Jaeger) -> None:
    page = jaeger.page_text()
    [handed] = re.findall(r"JAEGER_CONFIG = (\{.*?\});$", page, re.DOTALL | re.MULTILINE)
    told = json.loads((EXAMPLE / "ui.json").read_text())
    assert json.loads(handed) == told
    prefixes = tuple(told["topTagPrefixes"])
    ours = [name for name in names.SPAN_ATTRIBUTES if name.startswith("shadow_mw.") or name == "request.id"]
    assert [name for name in ours if not name.startswith(prefixes)] == []
    for pattern in told["linkPatterns"]:
        assert pattern["key"] in names.SPAN_ATTRIBUTES
        [tags] = parse_qs(urlsplit(pattern["url"].replace("#{", "{")).query)["tags"]
        assert json.loads(tags) == {pattern["key"]: f"{{{pattern['key']}}}"}


def test_the_dashboard_takes_the_links_to_a_trace() -> None:
    jaeger, grafana = (url.strip("'") for url in re.findall(r"^SHADOW_TRACE_UI=(\S+)$", PAGE, re.MULTILINE))
    for url in (jaeger, grafana):
        assert Settings(trace_ui=url).trace_ui == url
    assert jaeger.endswith("/trace/{trace_id}")
    asked = parse_qs(urlsplit(grafana.replace("{trace_id}", TRACE)).query)
    [pane] = json.loads(asked["panes"][0]).values()
    [query] = pane["queries"]
    assert (query["query"], query["queryType"], asked["schemaVersion"]) == (TRACE, "traceql", ["1"])
