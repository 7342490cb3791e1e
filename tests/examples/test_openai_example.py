"""OpenAI's own client sees the same with the one line and without; streamed answers are compared whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from process_fixtures import runtime
from process_tools import Runtime, comparisons
from terminals import Terminals, reported

__all__ = ["runtime"]

UP = "Uvicorn running"
PARCEL = "Your parcel has left our warehouse and {} reach you on Monday."
ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Where is my parcel?"}]}


@pytest.fixture
def terminals(tmp_path: Path, runtime: Runtime) -> Iterator[Terminals]:
    with Terminals("openai_chat", tmp_path, runtime, 8000, 8001, 8002) as terminals:
        yield terminals


def client(terminals: Terminals, port: int) -> OpenAI:
    return OpenAI(base_url=f"http://127.0.0.1:{terminals.ports[port]}/v1", api_key="none", max_retries=0)


def heard(client: OpenAI) -> list[dict[str, Any]]:
    """What the caller gets, event by event and at once; but for the name and time of an answer."""
    hidden = {"id", "created"}
    with client.chat.completions.create(**ASKED, stream=True) as chunks:
        events = [chunk.model_dump(exclude=hidden) for chunk in chunks]
    return [*events, client.chat.completions.create(**ASKED).model_dump(exclude=hidden)]


@pytest.mark.fault("streams")
@pytest.mark.timeout(600)
def test_the_readme_can_be_typed_line_by_line(terminals: Terminals) -> None:
    challenger, production, ask, report = terminals.blocks()
    bare = production.replace(str(terminals.ports[8000]), str(terminals.ports[8002]))
    terminals.start("challenger", challenger, UP)
    terminals.start("production", production, UP)
    said = terminals.run(ask).splitlines()
    assert said[:2] == [PARCEL.format("should")] * 2
    assert len(said) == 4
    figures = reported(terminals, report, 4)
    assert figures == {"eligible": 4, "compared": 4, "unaccounted": 0, "agree": 2, "disagree": 2}
    found = comparisons(terminals.folder / ".shadow")
    parcel = [one for one in found if one["verdict"] == "agree"]
    assert {one["production_prediction"] for one in parcel} == {f'"{PARCEL.format("should")}"'}
    assert {one["shadow_prediction"] for one in parcel} == {f'"{PARCEL.format("will")}"'}
    assert sorted(json.loads(one["features"]).get("stream", False) for one in parcel) == [False, True]

    terminals.start("bare", f"export SHADOW_ENABLED=0\n{bare}", UP)
    without = heard(client(terminals, 8002))
    assert heard(client(terminals, 8000)) == without
    assert len(without) == 1 + 6 + 1 + 1
    assert "shadow_mw mirrors nothing" in terminals.said("bare")
    assert "Traceback" not in terminals.said("production") + terminals.said("challenger")
