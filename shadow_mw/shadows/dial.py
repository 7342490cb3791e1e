"""Dialling: a TCP connection to whichever address of a host answers first."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any, TypeAlias

import anyio

#: What `getaddrinfo` says of one address: family, type, protocol, canonical name, address.
Address: TypeAlias = tuple[Any, Any, int, str, Any]

#: How long an address is waited for before the next one is tried beside it (RFC 8305, section 8).
_HEAD_START_SECONDS = 0.25


async def dial(host: str, port: int) -> socket.socket:
    """A connected socket that does not block (Happy Eyeballs, RFC 8305). For any loop of asyncio's kind.

    asyncio's own loop can do the same; uvloop's, which the app may have installed for all threads, tries one
    address after the other and waits for each as long as the system does.

    Raises:
        OSError: no such host, or no address of it takes the connection; the first address tells why.

    """
    return await first_of(await _addresses(host, port))


async def _addresses(host: str, port: int) -> Sequence[Address]:
    try:
        # The loop would ask a thread for an address as well, which can't be started while Python ends.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    try:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except RuntimeError:  # Python ends: there is no thread for it, and nothing left that it could hold up
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def first_of(addresses: Sequence[Address]) -> socket.socket:
    """A connected socket, as `dial` gives it, to one of at least one address.

    Raises:
        OSError: none takes the connection.

    """
    loop = asyncio.get_running_loop()
    if len(addresses) == 1:
        return await _connected(loop, addresses[0])
    return await _Race(loop).run(_interleaved(addresses))


class _Race:
    """Attempts to connect, begun one after the other, of which the first that succeeds is kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._winner: socket.socket | None = None
        self._errors: dict[int, OSError] = {}
        self._scope = anyio.CancelScope()

    async def run(self, addresses: Sequence[Address]) -> socket.socket:
        try:
            async with anyio.create_task_group() as group:
                self._scope = group.cancel_scope
                for number, address in enumerate(addresses):
                    is_over = anyio.Event()
                    group.start_soon(self._attempt, number, address, is_over)
                    with anyio.move_on_after(_HEAD_START_SECONDS):
                        await is_over.wait()
        except BaseException:
            if self._winner is not None:
                self._winner.close()
            raise
        if self._winner is None:
            raise self._errors[min(self._errors)]
        return self._winner

    async def _attempt(self, number: int, address: Address, is_over: anyio.Event) -> None:
        try:
            connected = await _connected(self._loop, address)
        except OSError as error:
            self._errors[number] = error
        else:
            if self._winner is None:
                self._winner = connected
                self._scope.cancel()
            else:
                connected.close()
        finally:
            is_over.set()


async def _connected(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    family, kind, protocol, _, place = address
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, place)
    except BaseException:
        connection.close()
        raise
    return connection


def _interleaved(addresses: Sequence[Address]) -> list[Address]:
    """The same, the families by turns: a host without a way to one of them loses one head start only."""
    first = addresses[0][0]
    same = [address for address in addresses if address[0] == first]
    other = [address for address in addresses if address[0] != first]
    turns = chain.from_iterable(zip_longest(same, other))
    return [address for address in turns if address is not None]
