"""Pressure: a model yields to everybody else where CPU, memory and descriptors are short."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from shadow_mw.limits import cap_memory, step_back

_MOST_FILES = 1024
_LOWEST_NICE = 19


def yield_processor() -> None:
    """Take the lowest priority, and in a session that the kernel schedules as one, for that session.

    Raises:
        OSError: the process still has another priority.

    """
    step_back("shadow_mw model")
    if os.getsid(0) == os.getpid():
        # With autogroups the priority counts inside of the session only, which has a share like any other.
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_LOWEST_NICE))
    is_idle = hasattr(os, "SCHED_IDLE") and os.sched_getscheduler(0) == os.SCHED_IDLE
    if not is_idle and os.getpriority(os.PRIO_PROCESS, 0) < _LOWEST_NICE:
        raise OSError("the kernel keeps another priority")


def go_first_when_memory_is_short() -> None:
    """Be what the kernel's OOM killer takes before anything else.

    Raises:
        OSError: it can't be told.

    """
    Path("/proc/self/oom_score_adj").write_text("1000")


def limit(memory_bytes: int | None) -> None:
    """Cap descriptors and data, and write no core file.

    Raises:
        OSError: a limit can't be set.

    """
    import resource

    cap_memory(memory_bytes)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(_MOST_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
