"""Memory of a process, as the kernel counts it. Linux."""

from __future__ import annotations

import re
from pathlib import Path

#: `statm` leaves out what was swapped, and huge pages.
_COUNTED = re.compile(r"^(?:VmRSS|VmSwap|HugetlbPages):\s+(\d+) kB$", re.MULTILINE)


def held_bytes(pid: int) -> int:
    """What a process holds, private and shared, in memory and in swap; 0 where nothing is told."""
    try:
        return 1024 * sum(map(int, _COUNTED.findall(Path(f"/proc/{pid}/status").read_text())))
    except OSError:
        return 0
