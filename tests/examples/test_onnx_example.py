"""The example with ONNX Runtime does what its README says, typed as it stands there; the sandbox is on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from curl_line import send
from process_fixtures import runtime
from process_tools import Runtime, comparisons
from terminals import Terminals, reported

__all__ = ["runtime"]


@pytest.mark.timeout(600)
@pytest.mark.skipif(
    sys.platform != "linux", reason="SHADOW_SANDBOX=strict keeps its promises on Linux: run it there"
)
def test_the_readme_can_be_typed_line_by_line(tmp_path: Path, runtime: Runtime) -> None:
    with Terminals("onnx", tmp_path, runtime, 8000) as terminals:
        train, settings, check, production, requests, report = terminals.blocks()
        terminals.run(train)
        checked = terminals.run(f"{settings}{check}")
        assert "ok   target onnx at python:challenger:predict is imported and can be called" in checked
        assert "sandbox of onnx (strict) holds: " in checked
        assert "system calls by seccomp" in checked
        terminals.start("production", f"{settings}{production}", "Uvicorn running")
        answers = [send(line, terminals.folder) for line in requests.strip().splitlines()]
        assert [max(range(3), key=answer["probabilities"].__getitem__) for answer in answers] == [0, 1]
        figures = reported(terminals, report, 2)
        assert figures == {"eligible": 2, "compared": 2, "unaccounted": 0, "agree": 2, "disagree": 0}
        deltas = [one["delta"] for one in comparisons(terminals.folder / ".shadow")]
        assert all(0 <= delta < 0.001 for delta in deltas)
        assert "Traceback" not in terminals.said("production")
