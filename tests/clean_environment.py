"""The environment of a process that a test starts: a user's, and no limit that depends on the machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: The commands of an environment that has only what an example says to install: see `.ci/noxfile.py`.
EXAMPLES_COMMANDS = "EXAMPLES_COMMANDS"


def clean_environment(*more: str) -> dict[str, str]:
    """Our own variables but for settings, OpenTelemetry's, and what else begins with `more`."""
    own = ("SHADOW_", "OTEL_", *more)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    # On a busy machine our code takes longer, and the governor would leave out what a test counts.
    return {**kept, "SHADOW_MAX_ADDED_SECONDS": "0"}


def commands_path(own: str = "") -> str:
    """The `PATH` of a user's terminal: the commands of the example's environment, else this Python's."""
    alone = os.environ.get(EXAMPLES_COMMANDS, "")
    first = [alone] if alone else [own, str(Path(sys.executable).parent)]
    return os.pathsep.join([*filter(None, first), os.environ["PATH"]])
