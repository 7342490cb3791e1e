"""The caps that a mirror process takes upon itself when it starts, each tried for real."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from shadow_mw.caps.cap import Cap
from shadow_mw.caps.group import Group
from shadow_mw.caps.quota import shared_quota
from shadow_mw.caps.wish import Wish
from shadow_mw.limits import cap_memory, die_before_production, is_lowest_priority, step_back


@contextlib.contextmanager
def capped(name: str, wish: Wish) -> Iterator[tuple[Cap, ...]]:
    """Cap this process for good, and by a cgroup of its own until the end of the block; what came of it.

    Each cap that the platform refuses is told as such. Never raises on that.
    """
    caps = [_priority(name), _tried("killed before production when memory is short", _oom), _quota()]
    caps += _memory(wish.memory_bytes)
    group, of_group = _grouped(wish)
    caps += of_group
    if wish.cpu_cores is not None:
        caps.append(Cap("share of CPU", True, f"it reads nothing while it is over {wish.cpu_cores:g} cores"))
    try:
        yield tuple(caps)
    finally:
        if group is not None:
            group.leave()


def _priority(name: str) -> Cap:
    step_back(name)
    if is_lowest_priority():
        idle = hasattr(os, "SCHED_IDLE") and os.sched_getscheduler(0) == os.SCHED_IDLE
        return Cap("lowest priority", True, "SCHED_IDLE" if idle else "nice 19")
    return Cap("lowest priority", False, "the kernel keeps another one", is_wanted=True)


def _oom() -> str:
    die_before_production()
    return "OOM score"


def _quota() -> Cap:
    quota = shared_quota()
    if quota is None:
        return Cap("yielding in a CPU quota", True, "there is no quota over this process")
    how = f"a quota of {quota.cores:g} cores is shared, and it gives half back each time that this runs out"
    return Cap("yielding in a CPU quota", True, how)


def _memory(memory_bytes: int | None) -> list[Cap]:
    if memory_bytes is None:
        cap_memory(None)
        return []

    def cap() -> str:
        cap_memory(memory_bytes)
        return f"RLIMIT_DATA is {memory_bytes}"

    return [_tried("memory of its own", cap, is_wanted=True)]


def _grouped(wish: Wish) -> tuple[Group | None, list[Cap]]:
    try:
        group = Group.made(wish)
    except OSError as error:
        return None, [Cap("own cgroup", False, error.strerror or str(error))]
    try:
        group.enter()
    except OSError as error:
        group.remove()
        return None, [Cap("own cgroup", False, f"it can't be entered ({error.strerror})")]
    return group, [Cap(f"{cap.name} by an own cgroup", cap.holds, cap.how) for cap in group.caps]


def _tried(name: str, take: Callable[[], str], *, is_wanted: bool = False) -> Cap:
    try:
        return Cap(name, True, take(), is_wanted)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        return Cap(name, False, why, is_wanted)
