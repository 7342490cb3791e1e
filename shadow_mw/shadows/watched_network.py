"""The network below httpcore, watched for bytes that nobody asked for."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import h11
import httpcore

from shadow_mw.shadows.admission import Address, Admission
from shadow_mw.shadows.dial import first_of
from shadow_mw.shadows.names import Names

#: What asyncio takes off a socket at once; were less asked for, the rest would lie where nobody sees it.
_READ_BYTES = 256 * 1024


class WatchedStream(httpcore.AsyncNetworkStream):
    """A connection that may not be used again once it holds more than the answer.

    httpcore parses what is left over as the answer to the next request, and takes no connection that
    `is_readable` while it is idle: the server has closed it, as a rule. So surplus is told as readable.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        """Watch `stream`."""
        self._stream = stream
        self._received: list[bytes] = []
        self._has_surplus = False

    def end_of_answer(self, method: str, body_bytes: int) -> None:
        """Note whether more has been read than the answer to `method`, whose body had `body_bytes`."""
        received = b"".join(self._received)
        self._received.clear()
        # With nothing but head and body there is no room for more, and no need to look closer.
        if received.find(b"\r\n\r\n") + 4 + body_bytes != len(received):
            self._has_surplus = _has_surplus(method, received)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come; more than `max_bytes` where more is there."""
        data = await self._stream.read(max(max_bytes, _READ_BYTES), timeout)
        self._received.append(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> WatchedStream:
        """The same over TLS."""
        return WatchedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What is known of the connection; with surplus it counts as readable."""
        if info == "is_readable" and (self._has_surplus or self._has_decrypted()):
            return True
        return self._stream.get_extra_info(info)

    def _has_decrypted(self) -> bool:
        """True when a TLS record has come with the answer's last: it waits unseen by the socket."""
        tls = self._stream.get_extra_info("ssl_object")
        if tls is None:
            return False
        try:
            tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            return True
        return True


class WatchedNetwork(httpcore.AsyncNetworkBackend):
    """A network that makes watched connections."""

    def __init__(self, admission: Admission) -> None:
        """For the event loop that runs when it is used; `admission` is asked about each address."""
        self._network = httpcore.AnyIOBackend()
        self._names = Names(admission)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> WatchedStream:
        """A connection to whichever address of the host takes it first.

        Raises:
            ShadowAddressRefused: no shadow may be at any address of it.
            httpcore.ConnectError: no connection could be made.

        """

        async def connect(address: Address) -> httpcore.AsyncNetworkStream:
            place: str = address[4][0]
            try:
                return await self._network.connect_tcp(place, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                raise OSError(str(error)) from error

        try:
            addresses = await self._names.addresses(host, port)
            return WatchedStream(await first_of(addresses, connect, _closed))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error

    async def sleep(self, seconds: float) -> None:
        """Pause between attempts to connect."""
        await self._network.sleep(seconds)


async def _closed(stream: httpcore.AsyncNetworkStream) -> None:
    await stream.aclose()


def _has_surplus(method: str, received: bytes) -> bool:
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/", headers=[("host", "shadow")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(received)
    while reader.their_state is not h11.DONE:
        if reader.next_event() is h11.NEED_DATA:
            return False  # it ends with the connection, which is not used again
    return bool(reader.trailing_data[0])
