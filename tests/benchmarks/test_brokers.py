"""The benchmarks with a real Kafka run from end to end, and lose nothing; how fast is not asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[1]
_FOLDER = _TESTS.parent / "benchmarks"

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CPU clocks by pid are Linux's"),
    pytest.mark.timeout(300),
]


@pytest.fixture(autouse=True)
def kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(_TESTS / "kafka")
    from broker import HOW, jars

    if jars() is None:
        pytest.skip(HOW)


def ran(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_FOLDER / script), *arguments]
    told = {**os.environ, **environment}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=250, env=told)


def test_each_way_to_meet_exchanges_has_figures(tmp_path: Path):
    file = tmp_path / "speed.json"
    short = ["--rounds", "1", "--exchanges", "1600", "--held", "500", "--spans", "off"]
    done = ran("brokers.py", "speed", *short, "--ways", "fresh", "backlog", "--json", str(file))
    assert done.returncode == 0, done.stderr
    runs = json.loads(file.read_text())
    assert {*runs} == {"no broker | none", "fresh | none", "backlog | none"}
    assert all(run["cpu_us"] > 0 < run["per_second"] for [run] in runs.values())
    assert all(f"| {name} |" in done.stdout for name in runs)


def test_after_an_outage_everything_is_in_the_store_once(tmp_path: Path):
    file = tmp_path / "outage.json"
    short = ["--seconds", "2", "--rate", "150", "--workers", "1"]
    done = ran("brokers.py", "outage", *short, "--json", str(file))
    assert done.returncode == 0, done.stderr
    [found] = json.loads(file.read_text())
    assert found["waiting"] > 200
    assert 0 < found["first_batch_seconds"] <= found["caught_up_seconds"]


def test_production_with_a_broker_behind_it_is_measured(tmp_path: Path):
    file = tmp_path / "overhead.json"
    short = ["--quick", "--rounds", "1", "--seconds", "0.3", "--rate", "40", "--json", str(file)]
    done = ran("overhead.py", "--variants", "kafka", *short)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())["variants"]
    assert {*found} == {"bare", "kafka"}
    assert (found["kafka"]["mirrored_share"], found["kafka"]["errors"]) == (1.0, 0)


def test_without_kafka_that_is_said(tmp_path: Path):
    for command in (["brokers.py", "speed"], ["overhead.py", "--variants", "kafka"]):
        done = ran(*command, XDG_CACHE_HOME=str(tmp_path))
        assert done.returncode == 1
        assert ".ci/install-brokers" in done.stderr
        assert "Traceback" not in done.stderr
