"""System calls that Python has no name for. Linux, by ctypes."""

from __future__ import annotations

import ctypes
import os
import sys


def call(number: int, *arguments: int) -> int:
    """Make a system call by its number; pointers are given as addresses.

    Raises:
        OSError: what the kernel answered.

    """
    libc = _libc()
    libc.syscall.restype = ctypes.c_long
    result = int(libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))
    return _checked(result)


def prctl(option: int, *arguments: int) -> int:
    """The system call of that name.

    Raises:
        OSError: what the kernel answered.

    """
    libc = _libc()
    filled = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(int(libc.prctl(ctypes.c_int(option), *map(ctypes.c_ulong, filled))))


def unshare(flags: int) -> None:
    """The system call of that name.

    Raises:
        OSError: what the kernel answered.

    """
    _checked(int(_libc().unshare(ctypes.c_int(flags))))


def machine() -> str:
    """The architecture whose numbers this process uses, as `uname` has it; a 32-bit one is not `x86_64`."""
    name = os.uname().machine
    return name if sys.maxsize > 2**32 else f"{name}, 32-bit"


def _libc() -> ctypes.CDLL:
    if sys.platform != "linux":
        raise OSError("it needs Linux")
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
