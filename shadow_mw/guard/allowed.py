"""What may be written to all the same: hosts, ports of hosts, and folders."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable

from shadow_mw.exceptions import SettingsError
from shadow_mw.guard_variables import ALLOW_VARIABLE

#: A name may get other addresses while the server runs; a stranger is looked up no more often than this.
_RESOLVE_SECONDS = 10.0
_PORTS = {"http": 80, "https": 443}


class Allowed:
    """The hosts and folders of `SHADOW_GUARD_ALLOW`. Thread-safe."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Read `host`, `host:port`, `[v6]:port` and `/path`.

        Raises:
            SettingsError: an entry is none of these.

        """
        given = [entry.strip() for entry in entries if entry.strip()]
        self._folders = tuple(os.path.realpath(entry) for entry in given if entry.startswith("/"))
        self._hosts = frozenset(_host_and_port(entry) for entry in given if not entry.startswith("/"))
        self._addresses: frozenset[tuple[str, int | None]] = frozenset()
        self._resolved_at = float("-inf")
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """What is allowed."""
        hosts = [host if port is None else f"{host}:{port}" for host, port in sorted(self._hosts, key=str)]
        return f"Allowed({[*hosts, *self._folders]})"

    def has_host(self, host: str, port: int | None) -> bool:
        """True for a host that is in the list by its name, with this port or with none."""
        name = host.lower().strip("[]")
        return bool(self._hosts) and not self._hosts.isdisjoint({(name, None), (name, port)})

    def has_address(self, address: str, port: int | None) -> bool:
        """True for an IP address that is in the list, or that a name in the list stands for."""
        if not self._hosts or self.has_host(address, port):
            return bool(self._hosts)
        self._resolve()
        return not self._addresses.isdisjoint({(address, None), (address, port)})

    def has_path(self, path: str) -> bool:
        """True for a resolved path that is one of the list, or inside of one."""
        return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in self._folders)

    def _resolve(self) -> None:
        with self._lock:
            if time.monotonic() - self._resolved_at < _RESOLVE_SECONDS:
                return
            self._addresses = frozenset(
                (address, port) for host, port in self._hosts for address in _addresses_of(host)
            )
            self._resolved_at = time.monotonic()


def split_authority(scheme: str, authority: str) -> tuple[str, int | None]:
    """Host and port of `host:port`; the scheme's own port where none is named."""
    host, _, port = authority.rpartition("@")[2].rpartition(":")
    if host and port.isdigit():
        return host, int(port)
    return authority.rpartition("@")[2], _PORTS.get(scheme)


def _host_and_port(entry: str) -> tuple[str, int | None]:
    host, port = entry, None
    if entry.count(":") == 1 or "]:" in entry:
        host, _, text = entry.rpartition(":")
        port = int(text) if text.isdigit() and 0 < int(text) < 65536 else -1
    name = host.strip("[]").lower()
    if port == -1 or not name or set(name) & set("/ @?#*"):
        raise SettingsError(f"{ALLOW_VARIABLE}: {entry!r} is no host, host:port or /path")
    return name, port


def _addresses_of(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
