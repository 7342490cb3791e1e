"""Pressure: a model yields to everybody else where CPU, memory and descriptors are short."""

from __future__ import annotations

from shadow_mw.limits import cap_memory, die_before_production, is_lowest_priority, step_back

_MOST_FILES = 1024
_HIGHEST_OOM_SCORE = 1000


def yield_processor() -> None:
    """Take the lowest priority.

    Raises:
        OSError: the process still has another priority.

    """
    step_back("shadow_mw model")
    if not is_lowest_priority():
        raise OSError("the kernel keeps another priority")


def go_first_when_memory_is_short() -> None:
    """Be what the kernel's OOM killer takes before anything else.

    Raises:
        OSError: it can't be told.

    """
    die_before_production(_HIGHEST_OOM_SCORE)


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
