"""What a process of ours takes upon itself, so that production gets first whatever it wants."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_LOWEST_NICE = 19
#: Of 1,000: the models' processes, which have that, go before the mirror, and the mirror before production.
_OOM_SCORE = 900


def step_back(name: str) -> None:
    """Take a name for `ps` (15 characters) and the lowest priority: SCHED_IDLE, or nice 19 elsewhere.

    In a session that was made for this process the session too.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)
    if hasattr(os, "getsid") and os.getsid(0) == os.getpid():
        # By autogroups the kernel schedules sessions against each other: this one gets the smallest share.
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_LOWEST_NICE))
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    os.nice(_LOWEST_NICE)


def is_lowest_priority() -> bool:
    """True where the kernel runs this process last."""
    is_idle = hasattr(os, "SCHED_IDLE") and os.sched_getscheduler(0) == os.SCHED_IDLE
    return is_idle or os.getpriority(os.PRIO_PROCESS, 0) >= _LOWEST_NICE


def die_before_production(score: int = _OOM_SCORE) -> None:
    """Have the kernel take this process before others where memory is short; never lowers what it has.

    Raises:
        OSError: it can't be told.

    """
    path = Path("/proc/self/oom_score_adj")
    if int(path.read_text()) < score:
        path.write_text(str(score))


def cap_memory(size_bytes: int | None) -> None:
    """Have the kernel refuse more than so many bytes of data (`RLIMIT_DATA`; shared mappings don't count).

    A core file of a large process could fill the disk, so none is written in any case.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if size_bytes is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        size = size_bytes if hard == resource.RLIM_INFINITY else min(size_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
