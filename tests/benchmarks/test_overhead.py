"""The benchmark runs from end to end and reports on every variant; how fast is not asked."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "overhead.py"
_FIGURES = ("cpu_us", "added_cpu_us", "p50_ms", "p99_ms", "p50_ratio", "p99_ratio")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CPU clocks by pid are Linux's")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    file = tmp_path_factory.mktemp("benchmark") / "overhead.json"
    short = ["--quick", "--rounds", "1", "--seconds", "0.3", "--rate", "40", "--json", str(file)]
    process = subprocess.run(
        [sys.executable, str(_SCRIPT), *short], check=False, capture_output=True, text=True, timeout=100
    )
    assert process.returncode == 0, process.stderr
    return process.stdout, json.loads(file.read_text())


def test_every_variant_has_finite_figures_and_no_errors(run):
    _, result = run
    variants = result["variants"]
    assert {"bare", "bare-again", "rate-0", "process", "process-down", "inline", "background-task"} <= set(
        variants
    )
    for name, figures in variants.items():
        assert figures["errors"] == 0, name
        assert figures["requests"] == 12, name
        for figure in _FIGURES:
            assert all(math.isfinite(value) for value in figures[figure].values()), (name, figure)


def test_the_shadow_saw_what_each_variant_claims_to_mirror(run):
    _, result = run
    shares = {name: figures["mirrored_share"] for name, figures in result["variants"].items()}
    assert {name for name, share in shares.items() if share == 0} >= {
        "bare",
        "bare-again",
        "rate-0",
        "process-down",
    }
    assert {shares[name] for name in ("process", "inline", "inline-plain", "background-task")} == {1.0}


def test_the_report_names_variants_and_import_time(run):
    text, result = run
    assert all(name in text for name in result["variants"])
    assert "import shadow_mw:" in text
    assert result["import_seconds"]["alone"] > 0


def test_a_missing_package_is_named_with_the_command():
    # -S leaves site-packages out, and with it everything that the benchmark needs.
    process = subprocess.run(
        [sys.executable, "-S", str(_SCRIPT)], check=False, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 1
    assert "pip install" in process.stderr
    assert "Traceback" not in process.stderr
