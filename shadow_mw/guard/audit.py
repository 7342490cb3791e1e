"""The audit hook of scope `process`: sockets, files and processes, whoever in this process uses them.

Events: https://docs.python.org/3/library/audit_events.html. A hook can't be taken out again.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from types import FrameType
from typing import Any

from shadow_mw.boundary import Guard
from shadow_mw.guard.watch import Watch, current, vouched

#: What an event means: kind and description, or None where it writes nothing that counts.
Found = tuple[str, str] | None

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: They start `ldconfig`, `uname` and the like, which write nothing.
_LOOKS_AT_MACHINE = frozenset({"ctypes.util", "platform", "uuid"})
_guard = Guard("looking at an audit event")
_lock = threading.Lock()


class _Hook:
    """Whether the hook is in."""

    is_in = False


def add_hook() -> None:
    """Have all audit events looked at from now on. Idempotent."""
    with _lock:
        if not _Hook.is_in:
            sys.addaudithook(_look)
            _Hook.is_in = True


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    meaning = _EVENTS.get(event)
    if meaning is None:
        return
    watch = current()
    if watch is None or watch.rules.scope != "process":
        return
    found: Found = ("unknown", event)  # where looking fails: rather one write too few
    with _guard, vouched():
        found = meaning(watch, event, arguments)
    if found is not None:
        watch.judge(*found)


def _socket(watch: Watch, event: str, arguments: tuple[Any, ...]) -> Found:
    connection, address = arguments[:2]
    if address is None:  # over a connection that was judged when it was made
        return None
    if isinstance(address, str | bytes):
        path = os.fsdecode(address)
        return None if watch.rules.allowed.has_path(_resolved(path)) else ("socket", f"{event} {path}")
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None  # the kernel's own, as netlink
    host, port = str(address[0]), int(address[1])
    if watch.rules.allowed.has_address(host, port):
        return None
    return "socket", f"{event.removeprefix('socket.')} {host}:{port}"


def _open(watch: Watch, _: str, arguments: tuple[Any, ...]) -> Found:
    path, mode, flags = arguments[:3]
    is_write = bool(flags & _WRITE_FLAGS) or (isinstance(mode, str) and not set(mode).isdisjoint("wax+"))
    return _file(watch, "open", path) if is_write else None


def _one_path(watch: Watch, event: str, arguments: tuple[Any, ...]) -> Found:
    # The directory that a path is relative to stands last, or is left out.
    folder = arguments[-1] if len(arguments) > 1 and event in _WITH_FOLDER else -1
    return _file(watch, event, arguments[0], folder)


def _two_paths(watch: Watch, event: str, arguments: tuple[Any, ...]) -> Found:
    found = _file(watch, event, arguments[0], arguments[2]) if event == "os.rename" else None
    return found or _file(watch, event, arguments[1], arguments[-1])


def _file(watch: Watch, event: str, path: Any, folder: Any = -1) -> Found:
    if isinstance(path, int):
        return None  # a descriptor, which was judged when it was opened
    name = os.fsdecode(path)
    if isinstance(folder, int) and folder >= 0 and not name.startswith("/"):
        name = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)
    resolved = _resolved(name)
    if _is_own(resolved) or watch.rules.allowed.has_path(resolved):
        return None
    return "file", f"{event} {resolved}"


def _process(_: Watch, event: str, arguments: tuple[Any, ...]) -> Found:
    return None if _asks_about_machine() else ("process", f"{event} {arguments[0]!r}")


def _asks_about_machine() -> bool:
    """True below the standard library's own look at this machine, which imports of libraries begin."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 what `inspect` would take, without its cost
    while frame is not None:
        if frame.f_globals.get("__name__") in _LOOKS_AT_MACHINE:
            return True
        frame = frame.f_back
    return False


def _sqlite(watch: Watch, event: str, arguments: tuple[Any, ...]) -> Found:
    # Past our patch of `sqlite3.connect` nobody can tell whether this reads or writes.
    database = arguments[0]
    if database in ("", b"", ":memory:", b":memory:"):
        return None
    found = _file(watch, event, database)
    return None if found is None else ("sql", found[1])


def _is_own(path: str) -> bool:
    """True for what stays with this process: scratch files, devices, bytecode."""
    return path.startswith(("/dev/", f"{_scratch()}/")) or "/__pycache__/" in path


@lru_cache(maxsize=1)
def _scratch() -> str:
    return os.path.realpath(tempfile.gettempdir())


def _resolved(path: str) -> str:
    # The last part may be a link that is removed or replaced, which doesn't touch what it points to.
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


_WITH_FOLDER = {"os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.utime"}
_EVENTS: dict[str, Callable[[Watch, str, tuple[Any, ...]], Found]] = {
    "open": _open,
    "sqlite3.connect": _sqlite,
    **dict.fromkeys(("socket.connect", "socket.sendto", "socket.sendmsg"), _socket),
    **dict.fromkeys(_WITH_FOLDER | {"os.truncate", "os.setxattr", "os.removexattr"}, _one_path),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), _two_paths),
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"), _process),
}
