"""Lockdown: a process gives up what a model has no need for, layer by layer, and says what it gave up."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from shadow_mw.caps.group import enter
from shadow_mw.caps.place import Place
from shadow_mw.caps.wish import Wish
from shadow_mw.sandbox import landlock, namespaces, parent, pressure, privileges, seccomp
from shadow_mw.sandbox.layers import Layer, Policy
from shadow_mw.sandbox.memory import held_bytes

_Step: TypeAlias = tuple[str, bool, Callable[[], None]]


def lock_down(
    policy: Policy, *, parent_pid: int, scratch: str, wish: Wish, cgroup: Place
) -> tuple[Layer, ...]:
    """Apply every layer that the policy asks for and the platform has, in order; which of them hold.

    It can't be undone. The process must have one thread: Landlock would leave the others out. Never raises
    on what the platform refuses.
    """
    dies = partial(parent.die_with_parent, parent_pid)
    steps: list[_Step] = [
        ("parent death", True, dies),
        ("no terminal", True, privileges.leave_terminal),
        ("lowest priority", True, pressure.yield_processor),
        ("limits", True, partial(pressure.limit, wish.memory_bytes)),
        ("memory watch", wish.memory_bytes is not None, partial(_watched, wish.memory_bytes)),
        ("own cgroup", False, partial(_entered, cgroup)),
    ]
    if policy != "off":
        steps += _sandbox(scratch)
    return tuple(_applied(*step) for step in steps)


def _entered(cgroup: Place) -> None:
    """Move to the cgroup that the worker has made; it stays there also where some of its caps do not hold."""
    if cgroup.folder:
        enter(cgroup.folder)
    if cgroup.trouble:
        raise OSError(cgroup.trouble)


def _sandbox(scratch: str) -> list[_Step]:
    steps: list[_Step] = [
        ("first to go when memory is short", False, pressure.go_first_when_memory_is_short),
        ("empty network", False, namespaces.leave_network),
        ("no capabilities", True, privileges.drop_capabilities),
        ("no new privileges", True, privileges.forgo_new_privileges),
        ("files by Landlock", True, partial(landlock.restrict, scratch)),
        ("truncation by Landlock", True, landlock.is_truncation_refused),
        ("TCP by Landlock", False, landlock.since(landlock.TCP_ABI, "6.7")),
        ("signals by Landlock", False, landlock.since(landlock.SCOPE_ABI, "6.12")),
        ("system calls by seccomp", True, seccomp.refuse_calls),
    ]
    return [(name, is_needed, partial(_on_linux, apply)) for name, is_needed, apply in steps]


def _on_linux(apply: Callable[[], None]) -> None:
    if sys.platform != "linux":
        raise OSError("it needs Linux")
    apply()


def _applied(name: str, is_needed: bool, apply: Callable[[], None]) -> Layer:
    """Apply one layer, whatever comes of it."""
    try:
        apply()
    except Exception as error:  # noqa: BLE001 a layer that fails is reported, and the next one is applied
        why = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
        return Layer(name=name, holds=False, why=why, is_needed=is_needed)
    return Layer(name=name, holds=True, is_needed=is_needed)


def _watched(memory_bytes: int | None) -> None:
    if memory_bytes is None:
        raise OSError("SHADOW_MEMORY_BYTES is not set")
    if not held_bytes(os.getpid()):
        raise OSError("the system does not tell it")
