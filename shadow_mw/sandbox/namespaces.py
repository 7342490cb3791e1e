"""Namespaces: a network of the model's own, with nothing in it."""

from __future__ import annotations

import os
from pathlib import Path

from shadow_mw.sandbox.system import unshare

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def leave_network() -> None:
    """Move to an empty network; an unprivileged process needs a user namespace for that.

    Raises:
        OSError: it is not allowed here, as in most containers.

    """
    if os.geteuid() == 0:
        # No user namespace: in one, root could not read other users' files any more.
        unshare(_CLONE_NEWNET)
        return
    _try_in_a_child()
    _unshare_as_user()


def _unshare_as_user() -> None:
    user, group = os.geteuid(), os.getegid()
    unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _try_in_a_child() -> None:
    """Some systems allow the first step and refuse the second, which would leave us without our user id."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            _unshare_as_user()
            code = 0
        except OSError as error:
            code = error.errno or code
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))
