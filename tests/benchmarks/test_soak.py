"""A soak of moments: with faults at random, production is what its twin is, and the books close."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "soak.py"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are read off /proc")


@pytest.mark.fault("everything")
@pytest.mark.timeout(400)
def test_whatever_goes_wrong_beside_it_production_stays_what_it_is(tmp_path):
    """In the first half of this seed's faults a mirror process is killed; later the disk is full."""
    file = tmp_path / "soak.json"
    short = ["--minutes", "0.3", "--seed", "75", "--rate", "30", "--json", str(file)]
    process = subprocess.run(
        [sys.executable, str(_SCRIPT), *short], check=False, capture_output=True, text=True, timeout=380
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.endswith("all of it holds\n")
    found = json.loads(file.read_text())
    assert found["ledger"]["differing"] == 0
    assert found["ledger"]["places"]["eligible"] > 50
    assert found["kills"] >= 1
    assert len(found["faults"]) >= 3
    assert all(
        counts["eligible"] >= found["ledger"]["places"]["eligible"] for counts in found["books"].values()
    )
