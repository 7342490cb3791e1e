"""Pace: a model's process is stopped for as long as it has used more CPU than it may. Linux."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

from shadow_mw.caps.allowance import Allowance

_LOOK_SECONDS = 0.1


class Pace:
    """Keeps a process and its group within an allowance, by SIGSTOP and SIGCONT. For asyncio."""

    def __init__(self, pid: int, allowance: Allowance) -> None:
        """Do nothing yet; `run` does."""
        self._pid = pid
        self._allowance = allowance

    def __repr__(self) -> str:
        """Who is kept within what."""
        return f"Pace({self._pid}, {self._allowance!r})"

    async def run(self) -> None:
        """Look every tenth of a second, until cancelled; the process runs in the end."""
        if self._allowance.is_endless:
            return
        used, looked_at = cpu_seconds(self._pid), time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            used_before, used = used, cpu_seconds(self._pid)
            before, looked_at = looked_at, time.monotonic()
            pause_seconds = self._allowance.pause_seconds(used - used_before, looked_at - before)
            if pause_seconds > 0:
                await self._stop(pause_seconds)

    async def _stop(self, seconds: float) -> None:
        try:
            self._tell(signal.SIGSTOP)
            await asyncio.sleep(seconds)
        finally:
            self._tell(signal.SIGCONT)

    def _tell(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)


def cpu_seconds(pid: int) -> float:
    """The CPU that a process has used, all its threads together; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
