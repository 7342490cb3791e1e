"""Names of hosts, looked up so that a name server that does not answer holds up nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import TypeAlias

from shadow_mw.shadows.admission import Address, Admission

_Found: TypeAlias = Sequence[Address] | Exception


class Names:
    """Looks up names, each on one daemon thread however many wait for it. For one event loop.

    The loop's own pool has a handful of threads for all shadows: the calls of one whose name server does not
    answer would take all of them, and the end of Python would wait for them too.
    """

    def __init__(self, admission: Admission) -> None:
        """Nothing is looked up yet; `admission` is asked about each address."""
        self._admission = admission
        self._under_way: dict[tuple[str, int], asyncio.Future[_Found]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """At least one address of a host, and none where no shadow may be.

        Raises:
            ShadowAddressRefused: it has no other.
            OSError: no such host.
            UnicodeError: this can't be a name.

        """
        try:
            # An address needs no thread, which can't be started while Python ends.
            found: _Found = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except socket.gaierror:
            found = await self._looked_up(host, port)
        if isinstance(found, Exception):
            raise found
        return self._admission.admitted(host, found)

    async def _looked_up(self, host: str, port: int) -> _Found:
        future = self._under_way.get((host, port))
        if future is None:
            future = asyncio.get_running_loop().create_future()
            thread = threading.Thread(
                target=_tell, args=(future, host, port), name="shadow_mw name", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # Python ends, and there is nothing left that waiting could hold up
                return _look_up(host, port)
            self._under_way[host, port] = future
            future.add_done_callback(lambda _: self._under_way.pop((host, port), None))
        return await asyncio.shield(future)  # a call that is given up leaves it to the others


def _look_up(host: str, port: int) -> _Found:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except Exception as error:  # noqa: BLE001 raised again by whoever waits, of whom there is always one more
        return error


def _tell(future: asyncio.Future[_Found], host: str, port: int) -> None:
    found = _look_up(host, port)

    def settle() -> None:
        if not future.done():
            future.set_result(found)

    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        future.get_loop().call_soon_threadsafe(settle)
