"""Privileges: a model has none, and no program that it executes gives it any."""

from __future__ import annotations

import ctypes
import os

from shadow_mw.sandbox.system import call, machine, prctl

_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION = 0x20080522
#: Root reads other users' files by this one, and models load files.
_CAP_DAC_READ_SEARCH = 2
#: `capget` and `capset`.
_NUMBERS = {"x86_64": (125, 126), "aarch64": (90, 91)}


def leave_terminal() -> None:
    """Have no controlling terminal: who has one can type on it, in the name of whoever sits there.

    Raises:
        OSError: the kernel lets none go.

    """
    import fcntl
    import termios

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return  # there is none
    try:
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
    finally:
        os.close(terminal)


def forgo_new_privileges() -> None:
    """Let no set-user-id program and no file capability give privileges.

    Raises:
        OSError: the kernel does not know that.

    """
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Give all capabilities up but that of reading every file, for whoever had it.

    Raises:
        OSError: the kernel refuses.

    """
    if machine() not in _NUMBERS:
        raise OSError(f"not known for {machine()}")
    get, put = _NUMBERS[machine()]
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    # Effective, permitted and inheritable, for the lower 32 and again for the upper 32.
    words = (ctypes.c_uint32 * 6)()
    call(get, ctypes.addressof(header), ctypes.addressof(words))
    kept = words[1] & (1 << _CAP_DAC_READ_SEARCH)
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    words[:] = [kept, kept, 0, 0, 0, 0]
    call(put, ctypes.addressof(header), ctypes.addressof(words))
