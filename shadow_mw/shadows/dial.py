"""Dialling: a TCP connection to whichever address of a host answers first."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest
from typing import Generic, TypeVar

import anyio

from shadow_mw.shadows.admission import Address
from shadow_mw.shadows.names import Names

_T = TypeVar("_T")

#: How long an address is waited for before the next one is tried beside it (RFC 8305, section 8).
_HEAD_START_SECONDS = 0.25


async def dial(names: Names, host: str, port: int) -> socket.socket:
    """A connected socket that does not block (Happy Eyeballs, RFC 8305). For any loop of asyncio's kind.

    asyncio's own loop can do the same; uvloop's, which the app may have installed for all threads, tries one
    address after the other and waits for each as long as the system does.

    Raises:
        ShadowAddressRefused: no shadow may be at any address of it.
        OSError: no such host, or no address of it takes the connection; the first address tells why.

    """
    return await first_of(await names.addresses(host, port), _connected, _closed)


async def first_of(
    addresses: Sequence[Address],
    connect: Callable[[Address], Awaitable[_T]],
    discard: Callable[[_T], Awaitable[None]],
) -> _T:
    """What `connect` makes of one of at least one address; `discard` gets what comes too late.

    Raises:
        OSError: none takes the connection.

    """
    if len(addresses) == 1:
        return await connect(addresses[0])
    return await _Race(connect, discard).run(_interleaved(addresses))


class _Race(Generic[_T]):
    """Attempts to connect, begun one after the other, of which the first that succeeds is kept."""

    def __init__(
        self, connect: Callable[[Address], Awaitable[_T]], discard: Callable[[_T], Awaitable[None]]
    ) -> None:
        self._connect = connect
        self._discard = discard
        self._winner: _T | None = None
        self._errors: dict[int, OSError] = {}
        self._scope = anyio.CancelScope()

    async def run(self, addresses: Sequence[Address]) -> _T:
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
                await self._given_up(self._winner)
            raise
        if self._winner is None:
            raise self._errors[min(self._errors)]
        return self._winner

    async def _attempt(self, number: int, address: Address, is_over: anyio.Event) -> None:
        try:
            connected = await self._connect(address)
        except OSError as error:
            self._errors[number] = error
        else:
            if self._winner is None:
                self._winner = connected
                self._scope.cancel()
            else:
                await self._given_up(connected)
        finally:
            is_over.set()

    async def _given_up(self, connected: _T) -> None:
        with anyio.CancelScope(shield=True):
            await self._discard(connected)


async def _connected(address: Address) -> socket.socket:
    family, kind, protocol, _, place = address
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, place)
    except BaseException:
        connection.close()
        raise
    return connection


async def _closed(connection: socket.socket) -> None:
    connection.close()


def _interleaved(addresses: Sequence[Address]) -> list[Address]:
    """The same, the families by turns: a host without a way to one of them loses one head start only."""
    first = addresses[0][0]
    same = [address for address in addresses if address[0] == first]
    other = [address for address in addresses if address[0] != first]
    turns = chain.from_iterable(zip_longest(same, other))
    return [address for address in turns if address is not None]
