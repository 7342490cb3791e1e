"""Seccomp: the kernel refuses system calls by their number and their plain arguments.

A filter is a program for the kernel's BPF machine; it can't follow pointers.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping

from shadow_mw.sandbox import syscalls
from shadow_mw.sandbox.system import call, machine

#: One instruction: code, where to jump when true and when false, and a value.
Instruction = tuple[int, int, int, int]

_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x54, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_AT_NUMBER, _AT_MACHINE, _AT_ARGUMENTS = 0, 4, 16

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER = 1
#: For all threads; and without the slowing down that older kernels do to every filtered process.
_TSYNC, _SPEC_ALLOW = 1, 4

_CLONE_THREAD = 0x10000
_SOCKET_KIND = 0xF
_PR_SET_PDEATHSIG = 1
#: Who is sent a signal about a descriptor (F_SETSIG, F_SETOWN, F_SETOWN_EX), and F_SETLEASE, which delays
#: other programs that open a file for writing.
_FCNTL_REFUSED = (8, 10, 15, 1024)
#: FIOSETOWN, SIOCSPGRP, TIOCSTI, and FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR, which are `chattr`.
_IOCTL_REFUSED = (0x8901, 0x8902, 0x5412, 0x40086602, 0x401C5820)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def refuse_calls() -> None:
    """Put the filter on this process and what becomes of it, for good.

    Raises:
        OSError: the kernel has no filters, or the numbers of this machine are not known.

    """
    name = machine()
    if name not in syscalls.MACHINES:
        raise OSError(f"system calls are not known for {name}")
    code = program(name, os.getpid())
    packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    whole = _Program(len(code), ctypes.addressof(buffer))
    if call(_SECCOMP[name], _SET_MODE_FILTER, _TSYNC | _SPEC_ALLOW, ctypes.addressof(whole)):
        raise OSError("a thread has a filter of its own already")


def program(name: str, pid: int) -> list[Instruction]:
    """The filter for the process `pid` on a machine."""
    code = [
        (_LOAD, 0, 0, _AT_MACHINE),
        (_JUMP_EQUAL, 1, 0, syscalls.MACHINES[name]),
        _refusal(errno.ENOSYS),  # 32-bit calls, which have other numbers
        (_LOAD, 0, 0, _AT_NUMBER),
        (_JUMP_GREATER, 0, 1, syscalls.LAST_NUMBER),
        _refusal(errno.ENOSYS),
    ]
    column = list(syscalls.MACHINES).index(name)
    for group, number in _refused_outright():
        code += _block(group, column, [_refusal(number)])
    for call_name, checks in _checks(pid).items():
        code += _block({call_name: syscalls.ARGUMENTS[call_name]}, column, checks)
    return [*code, (_RETURN, 0, 0, _ALLOW)]


def _refused_outright() -> Iterator[tuple[Mapping[str, tuple[int, int]], int]]:
    yield syscalls.NETWORK, errno.EACCES
    yield syscalls.AROUND, errno.ENOSYS
    for group in (
        syscalls.PROCESSES,
        syscalls.PRIORITY,
        syscalls.FILES,
        syscalls.MEMORY,
        syscalls.SYSTEM,
    ):
        yield group, errno.EPERM


def _checks(pid: int) -> dict[str, list[Instruction]]:
    """What follows on a call that depends on its arguments; each ends with an answer."""
    own_or_zero = _only(0, (0, pid))
    return {
        "clone": [_argument(0), (_JUMP_ANY_BIT, 1, 0, _CLONE_THREAD), _refusal(errno.EPERM), _allowance()],
        "kill": _only(0, (pid,)),
        "tgkill": _only(0, (pid,)),
        "rt_sigqueueinfo": _only(0, (pid,)),
        "rt_tgsigqueueinfo": _only(0, (pid,)),
        "prlimit64": own_or_zero,
        "sched_setaffinity": own_or_zero,
        "socketpair": _socketpair(),
        "sendto": _without_address(),
        "prctl": _all_but(0, (_PR_SET_PDEATHSIG,)),
        "fcntl": _all_but(1, _FCNTL_REFUSED),
        "ioctl": _all_but(1, _IOCTL_REFUSED),
    }


def _only(position: int, values: tuple[int, ...]) -> list[Instruction]:
    return [_argument(position), *_any_of(values, _allowance()), _refusal(errno.EPERM)]


def _all_but(position: int, values: tuple[int, ...]) -> list[Instruction]:
    return [_argument(position), *_any_of(values, _refusal(errno.EPERM)), _allowance()]


def _any_of(values: tuple[int, ...], then: Instruction) -> list[Instruction]:
    return [one for value in values for one in ((_JUMP_EQUAL, 0, 1, value), then)]


def _socketpair() -> list[Instruction]:
    """Pairs of streams, which every event loop needs; datagrams could be sent elsewhere by address."""
    refusal = _refusal(errno.EACCES)
    return [
        _argument(0),
        (_JUMP_EQUAL, 1, 0, socket.AF_UNIX),
        refusal,
        _argument(1),
        (_AND, 0, 0, _SOCKET_KIND),
        *_any_of((socket.SOCK_STREAM, socket.SOCK_SEQPACKET), _allowance()),
        refusal,
    ]


def _without_address() -> list[Instruction]:
    """Both halves of the pointer to an address are zero."""
    refusal = _refusal(errno.EACCES)
    halves = ((_LOAD, 0, 0, _AT_ARGUMENTS + 4 * 8), (_LOAD, 0, 0, _AT_ARGUMENTS + 4 * 8 + 4))
    return [one for half in halves for one in (half, (_JUMP_EQUAL, 1, 0, 0), refusal)] + [_allowance()]


def _block(
    group: Mapping[str, tuple[int, int]], column: int, then: list[Instruction]
) -> Iterator[Instruction]:
    """For each call of a group: do that, or go on with the next."""
    for numbers in group.values():
        if numbers[column]:
            yield (_JUMP_EQUAL, 0, len(then), numbers[column])
            yield from then


def _argument(position: int) -> Instruction:
    """The lower half; the kernel takes all of these arguments for 32 bits, or their upper half is unused."""
    return (_LOAD, 0, 0, _AT_ARGUMENTS + 8 * position)


def _refusal(number: int) -> Instruction:
    return (_RETURN, 0, 0, _REFUSE | number)


def _allowance() -> Instruction:
    return (_RETURN, 0, 0, _ALLOW)
