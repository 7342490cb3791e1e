"""The environments of model servers that can't share one with the tests."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest
from clean_environment import EXAMPLES_COMMANDS

ROOT = Path(__file__).parents[2]
INSTALLER = ROOT / ".ci" / "install-frameworks"
HOW = "a model server with an environment of its own: .ci/install-frameworks makes it"


@cache
def commands_of(framework: str) -> Path | None:
    """The folder of the commands of one; None where it is not installed."""
    if not INSTALLER.exists():
        return None
    told = subprocess.run(
        [INSTALLER, "--where", framework], capture_output=True, text=True, check=False, timeout=60
    )
    folder = Path(told.stdout.strip())
    return folder / "bin" if told.returncode == 0 and (folder / "whole").exists() else None


def variables_of(framework: str, home: Path) -> dict[str, str]:
    """What a terminal needs to run one with the shadow_mw of this checkout, and not in the user's home."""
    home.mkdir(exist_ok=True)
    return {
        **_installed(framework),
        "HOME": str(home),
        "DO_NOT_TRACK": "true",  # nothing is told to the makers
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_agent_register_timeout_ms": "120000",  # this machine may be busy
    }


def _installed(framework: str) -> dict[str, str]:
    if EXAMPLES_COMMANDS in os.environ:
        return {}
    commands = commands_of(framework)
    if commands is None:
        pytest.skip(HOW)
    return {"PATH": str(commands), "PYTHONPATH": str(ROOT)}
