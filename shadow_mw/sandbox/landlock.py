"""Landlock: the kernel refuses writing outside of a scratch folder, TCP, and signals to others.

https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from shadow_mw.sandbox.system import call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_WRITE_FILE = 1 << 1
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
_MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = 1 << 10, 1 << 11, 1 << 12
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

_WRITING = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_FIFO | _MAKE_SYM
_NOWHERE = _MAKE_CHAR | _MAKE_BLOCK | _MAKE_SOCK
_BIND_AND_CONNECT_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

#: From which version of Landlock on each is refused.
_REFER_ABI, _TRUNCATE_ABI, TCP_ABI, _IOCTL_ABI, SCOPE_ABI = 2, 3, 4, 5, 6

#: Devices that a model needs to write to: the void, and what computes for it.
_DEVICES = ("null", "nvidia*", "dri/*", "kfd")


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """The version of Landlock in the running kernel.

    Raises:
        OSError: it has none, or it is turned off.

    """
    return call(_CREATE_RULESET, 0, 0, _CREATE_RULESET_VERSION)


def restrict(scratch: str) -> None:
    """Refuse this process whatever its version of Landlock can refuse. Needs a process with one thread.

    Raises:
        OSError: the kernel has no Landlock, or does not let us.

    """
    if len(os.listdir("/proc/self/task")) > 1:
        raise OSError("there are other threads already, which Landlock would leave out")
    version = abi()
    files = _handled_files(version)
    attributes = _Attributes(
        files,
        _BIND_AND_CONNECT_TCP if version >= TCP_ABI else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if version >= SCOPE_ABI else 0,
    )
    ruleset = call(_CREATE_RULESET, ctypes.addressof(attributes), _size_bytes(version), 0)
    try:
        _allow(ruleset, scratch, files & ~_NOWHERE)
        for device in _devices():
            _allow(ruleset, str(device), files & (_WRITE_FILE | _TRUNCATE | _IOCTL_DEV))
        call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def since(needed: int, linux: str) -> Callable[[], None]:
    """What raises OSError where the kernel's Landlock is older than that."""

    def check() -> None:
        if (version := abi()) < needed:
            raise OSError(f"the kernel has Landlock {version}, and Linux {linux} is the first with {needed}")

    return check


def is_truncation_refused() -> None:
    """The check without which files are not safe: an older Landlock lets `open` truncate them.

    Raises:
        OSError: it does.

    """
    since(_TRUNCATE_ABI, "6.2")()


def _handled_files(version: int) -> int:
    later = ((_REFER_ABI, _REFER), (_TRUNCATE_ABI, _TRUNCATE), (_IOCTL_ABI, _IOCTL_DEV))
    return _WRITING | _NOWHERE | sum(access for since_version, access in later if version >= since_version)


def _size_bytes(version: int) -> int:
    """An older kernel knows less of the structure, and refuses more than that only where it is not zero."""
    return 24 if version >= SCOPE_ABI else 16 if version >= TCP_ABI else 8


def _devices() -> Sequence[Path]:
    found = [path for pattern in _DEVICES for path in Path("/dev").glob(pattern)]
    return [path for path in found if stat.S_ISCHR(path.stat().st_mode)]


def _allow(ruleset: int, path: str, access: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _PathBeneath(access, descriptor)
        call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.addressof(rule), 0)
    finally:
        os.close(descriptor)
