"""Models that burn CPU, tell where they are, or hold memory."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any


def tells(features: Any) -> Any:
    """The process, for the test to look at."""
    return os.getpid()


def burns(features: Any) -> Any:
    """All the CPU it gets, for ever; writes its process into the file that it is given in its environment."""
    Path(os.environ["TMPDIR"], "burning").write_text(str(os.getpid()))
    while True:
        pass


def burns_for(seconds: Any) -> Any:
    """All the CPU it gets, for so long by the clock."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return os.getpid()


def holds(size_bytes: Any) -> Any:
    """So much memory, shared with nobody."""
    return len(bytearray(size_bytes))
