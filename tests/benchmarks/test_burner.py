"""The benchmark of burning models runs from end to end, and burns; how fast is not asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "burner.py"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CPU clocks by pid are Linux's")


def test_production_answers_beside_burning_models_and_each_variant_is_reported(tmp_path):
    file = tmp_path / "burner.json"
    short = ["--rounds", "1", "--seconds", "0.5", "--rate", "20", "--json", str(file)]
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), *short], check=False, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    variants = json.loads(file.read_text())["variants"]
    assert list(variants) == ["bare", "bare-again", "burning models", "the same at normal priority"]
    for name, figures in variants.items():
        assert name in done.stdout
        assert figures["errors"] == 0, name
        assert (figures["burnt_cores"]["median"] > 0) == ("bare" not in name)
