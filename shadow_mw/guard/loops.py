"""uvloop under watch in scope `process`: it connects and starts processes in C, unseen by audit events."""

from __future__ import annotations

from typing import Any

from shadow_mw.guard.outgoing import judged
from shadow_mw.guard.patching import Undo, all_of
from shadow_mw.guard.watch import Watch, current


def uvloop(module: Any) -> Undo:
    """Connections and processes of its loops."""
    base = next(kind for kind in module.Loop.__mro__ if "create_connection" in vars(kind))
    originals = {name: getattr(base, name) for name in _JUDGES}

    def put(name: str) -> Undo:
        # On the class in Python: the one below it is in C and can't be changed.
        setattr(module.Loop, name, _watched(originals[name], name))
        return lambda: delattr(module.Loop, name)

    return all_of(*(put(name) for name in _JUDGES))


def _watched(original: Any, name: str) -> Any:
    async def call(loop: Any, *arguments: Any, **named: Any) -> Any:
        watch = current()
        if watch is None or watch.rules.scope != "process":
            return await original(loop, *arguments, **named)
        kind, what, is_allowed = _JUDGES[name](watch, arguments, named)
        with judged(watch, kind, what, is_allowed=is_allowed):
            return await original(loop, *arguments, **named)

    return call


def _connection(watch: Watch, arguments: Any, named: Any) -> tuple[str, str, bool]:
    host = named.get("host", arguments[1] if len(arguments) > 1 else None)
    port = named.get("port", arguments[2] if len(arguments) > 2 else None)
    if named.get("sock") is not None or host is None:
        return "socket", "", True  # it was judged when it was connected
    is_allowed = watch.rules.allowed.has_address(str(host), port)
    return "socket", f"connect {host}:{port}", is_allowed


def _unix(watch: Watch, arguments: Any, named: Any) -> tuple[str, str, bool]:
    path = named.get("path", arguments[1] if len(arguments) > 1 else None)
    return "socket", f"connect {path}", path is None or watch.rules.allowed.has_path(str(path))


def _datagrams(watch: Watch, arguments: Any, named: Any) -> tuple[str, str, bool]:
    remote = named.get("remote_addr", arguments[2] if len(arguments) > 2 else None)
    is_allowed = isinstance(remote, tuple) and watch.rules.allowed.has_address(str(remote[0]), remote[1])
    return "socket", f"datagrams to {remote or 'anywhere'}", is_allowed


def _process(_: Watch, arguments: Any, __: Any) -> tuple[str, str, bool]:
    return "process", repr(arguments[1] if len(arguments) > 1 else ""), False


_JUDGES = {
    "create_connection": _connection,
    "create_unix_connection": _unix,
    "create_datagram_endpoint": _datagrams,
    "subprocess_exec": _process,
    "subprocess_shell": _process,
}
