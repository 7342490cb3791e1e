"""The benchmark's further parts run from end to end: Flask, proxies where they are installed, and memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "benchmarks"
_PLACES = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"])
_PROXIES = [kind for kind in ("nginx", "envoy") if shutil.which(kind, path=_PLACES)]

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CPU clocks by pid are Linux's"),
    pytest.mark.timeout(300),
]


def ran(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_FOLDER / script), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=250)


def test_flask_and_proxies_are_measured_and_mirror_what_they_claim(tmp_path):
    pytest.importorskip("gunicorn")
    mirrors = ["flask-process", "flask-pool", *(f"{kind}-mirror" for kind in _PROXIES)]
    file = tmp_path / "peers.json"
    short = ["--quick", "--rounds", "1", "--seconds", "0.3", "--rate", "40", "--json", str(file)]
    done = ran("overhead.py", "--variants", *mirrors, *short)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())["variants"]
    bases = {"flask-bare", *(["bare", *_PROXIES] if _PROXIES else [])}
    assert {*found} == {*mirrors, *bases}
    assert {name: figures["errors"] for name, figures in found.items() if figures["errors"]} == {}
    assert {name for name, figures in found.items() if figures["mirrored_share"] == 1.0} == {*mirrors}
    assert all(name in done.stdout for name in found)


def test_an_unknown_variant_is_named_with_those_that_there_are():
    done = ran("overhead.py", "--variants", "flask-proces")
    assert done.returncode == 1
    assert "flask-proces:" in done.stderr
    assert "flask-process" in done.stderr
    assert "Traceback" not in done.stderr


def test_memory_is_sampled_and_the_books_of_all_requests_close(tmp_path):
    file = tmp_path / "memory.json"
    done = ran("memory.py", "--requests", "400", "--samples", "20", "--json", str(file))
    assert done.returncode == 0, done.stderr
    result = json.loads(file.read_text())
    assert result["statuses"] == {"200": 400}
    counts = result["counts"]
    assert counts.pop("eligible") == sum(counts.values()) == 400
    assert len(result["samples"]) == 20
    assert all(sample["production"] > 0 for sample in result["samples"])
    assert result["samples"][-1]["mirror"] > 0
    assert result["mirror_processes"] == 1
