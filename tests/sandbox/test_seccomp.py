"""The filter of system calls, for both architectures, and its numbers."""

from __future__ import annotations

import errno
import re
import socket
from pathlib import Path

import bpf
import pytest

from shadow_mw.sandbox import syscalls
from shadow_mw.sandbox.seccomp import program

PID = 4711
MACHINES = list(syscalls.MACHINES)
GROUPS = ("NETWORK", "AROUND", "PROCESSES", "PRIORITY", "FILES", "MEMORY", "SYSTEM", "ARGUMENTS")
#: Where the kernel's own numbers are, for each machine; the package linux-libc-dev has both.
HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}


def numbers(machine: str, group: str) -> dict[str, int]:
    column = MACHINES.index(machine)
    return {name: pair[column] for name, pair in getattr(syscalls, group).items() if pair[column]}


def answer(machine: str, name: str, *arguments: int) -> int:
    [number] = [numbers(machine, group)[name] for group in GROUPS if name in numbers(machine, group)]
    return bpf.run(program(machine, PID), syscalls.MACHINES[machine], number, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_the_kernels(machine):
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip(f"{header} is not installed; to run this: apt-get install linux-libc-dev")
    pattern = re.compile(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", re.MULTILINE)
    known = {name: int(number) for name, number in pattern.findall(header.read_text())}
    ours = {name: number for group in GROUPS for name, number in numbers(machine, group).items()}
    # Headers may be older than the newest call.
    assert {name: known.get(name, number) for name, number in ours.items()} == ours
    assert len(set(ours.values())) == len(ours)
    column = MACHINES.index(machine)
    absent = {name for group in GROUPS for name, pair in getattr(syscalls, group).items() if not pair[column]}
    assert not absent & set(known)


@pytest.mark.parametrize("machine", MACHINES)
def test_groups_are_refused_outright(machine):
    for group in GROUPS[:-1]:
        for name in numbers(machine, group):
            expected = {"NETWORK": errno.EACCES, "AROUND": errno.ENOSYS}.get(group, errno.EPERM)
            assert answer(machine, name) == expected, name


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x3D0F00,), 0),
        ("clone", (17,), errno.EPERM),
        ("clone", (0x4111,), errno.EPERM),
        ("kill", (PID,), 0),
        ("kill", (1,), errno.EPERM),
        ("kill", (0,), errno.EPERM),
        ("kill", (-1,), errno.EPERM),
        ("kill", (-PID,), errno.EPERM),
        ("kill", (PID + 2**32,), 0),  # the kernel takes the lower half too
        ("tgkill", (PID,), 0),
        ("tgkill", (1,), errno.EPERM),
        ("rt_sigqueueinfo", (1,), errno.EPERM),
        ("prlimit64", (0,), 0),
        ("prlimit64", (1,), errno.EPERM),
        ("sched_setaffinity", (PID,), 0),
        ("sched_setaffinity", (1,), errno.EPERM),
        ("socketpair", (socket.AF_UNIX, socket.SOCK_STREAM), 0),
        ("socketpair", (socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC), 0),
        ("socketpair", (socket.AF_UNIX, socket.SOCK_DGRAM), errno.EACCES),
        ("socketpair", (socket.AF_INET, socket.SOCK_STREAM), errno.EACCES),
        ("sendto", (3, 0, 9, 0, 0, 0), 0),
        ("sendto", (3, 0, 9, 0, 0x7F00, 16), errno.EACCES),
        ("sendto", (3, 0, 9, 0, 0x7F0000000000, 16), errno.EACCES),
        ("prctl", (15,), 0),
        ("prctl", (1,), errno.EPERM),
        ("fcntl", (3, 1), 0),
        ("fcntl", (3, 8), errno.EPERM),
        ("fcntl", (3, 1024), errno.EPERM),
        ("ioctl", (3, 0x5401), 0),
        ("ioctl", (3, 0x40086602), errno.EPERM),
        ("ioctl", (3, 0x5412), errno.EPERM),
    ],
)
def test_others_by_their_arguments(machine, name, arguments, expected):
    assert answer(machine, name, *arguments) == expected


def test_what_models_live_by_is_let_through():
    code = program("x86_64", PID)
    # read, write, mmap, munmap, futex, openat, exit_group, execve, recvfrom, poll, mseal
    for number in (0, 1, 9, 11, 202, 257, 231, 59, 45, 7, 462):
        assert bpf.run(code, syscalls.MACHINES["x86_64"], number) == bpf.ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_newer_calls_other_abis_and_other_machines_are_not_there(machine):
    code = program(machine, PID)
    own = syscalls.MACHINES[machine]
    x32_socket = 0x40000000 + 41
    for number in (463, 467, 512, x32_socket, 2**32 - 1):
        assert bpf.run(code, own, number) == errno.ENOSYS
    for other in (0x40000003, 0x40000028, 0):
        assert bpf.run(code, other, 1) == errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_it_fits_into_the_kernel(machine):
    assert len(program(machine, PID)) < 4096
