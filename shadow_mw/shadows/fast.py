"""Shadows behind HTTP, asked with httptools: the extra `fast`."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence
from functools import lru_cache

import httpx

from shadow_mw.exceptions import ShadowProtocolError, ShadowUnreachable
from shadow_mw.networks import Network
from shadow_mw.records import Answer, CapturedRequest
from shadow_mw.shadows.admission import Admission
from shadow_mw.shadows.connection import Connection, StaleConnectionError
from shadow_mw.shadows.dial import dial
from shadow_mw.shadows.names import Names
from shadow_mw.shadows.request_target import request_target
from shadow_mw.targets import Target

#: Firewalls forget connections without a word, the more readily the longer nothing came.
_MAX_IDLE_SECONDS = 60.0
_METHOD = re.compile(r"[A-Z-]{1,32}\Z")
#: Names are tokens, values hold no line break (RFC 9110 5.6.2, 5.5): nothing can be smuggled in.
_FIELDS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)*\Z")
_METHODS_WITH_BODY = ("POST", "PUT", "PATCH")
#: They belong to one connection, and this one has its own.
_CONNECTION_HEADERS = frozenset(
    b"host content-length transfer-encoding connection keep-alive te trailer upgrade expect "
    b"proxy-connection accept-encoding shadow-request".split()
)


class FastHTTPShadow:
    """A shadow that is asked over HTTP/1.1 with kept-alive connections, at little cost. For asyncio, uvloop.

    It keeps the promises of `HTTPShadow`: no redirect followed, no cookie kept, no proxy from the
    environment, certificates checked, no more than `max_body_bytes` of an answer read. A request is sent a
    second time in one case only: on a fresh connection, where one that had been kept alive ended before a
    byte of the answer came.
    """

    def __init__(
        self, target: Target, *, max_body_bytes: int, max_connections: int, networks: Sequence[Network] = ()
    ) -> None:
        """Nothing is connected before the first call; `max_connections` are kept alive."""
        self._url = httpx.URL(target.url)
        self._has_path = target.has_path
        self._name = target.name.encode()
        self._max_body_bytes = max_body_bytes
        self._max_connections = max_connections
        self._names = Names(Admission(target, networks))
        self._idle: list[Connection] = []
        self._tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        """Name and address."""
        return f"FastHTTPShadow({self._name.decode()!r}, {str(self._url)!r})"

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        """The shadow's answer, whatever its status.

        Raises:
            ShadowAddressRefused: its name means an address where no shadow may be.
            ShadowUnreachable: no connection could be made.
            ShadowProtocolError: the connection broke, or this is not HTTP.
            ShadowAnswerTooLarge: the body is larger than `max_body_bytes`.

        """
        head = self._head(request, headers)
        kept = self._kept()
        if kept is not None:
            try:
                return await self._call(kept, head, request)
            except StaleConnectionError:
                pass  # the server closed it while the request was on its way
        return await self._call(await self._connect(), head, request)

    async def aclose(self) -> None:
        """Close all connections that have nothing to do."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        await asyncio.sleep(0)  # the loop closes the sockets in its next round

    async def _call(self, connection: Connection, head: bytes, request: CapturedRequest) -> Answer:
        answer = await connection.call(head, request.body, is_head=request.method == "HEAD")
        if connection.is_open:
            if len(self._idle) < self._max_connections:
                self._idle.append(connection)
            else:
                connection.close()
        return answer

    def _kept(self) -> Connection | None:
        """The connection that was used last, so that those that are not needed grow old and go."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.idle_seconds < _MAX_IDLE_SECONDS:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        host, tls = self._url.raw_host.decode(), self._url.scheme == "https"
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(max_body_bytes=self._max_body_bytes),
                sock=await dial(self._names, host, self._url.port or (443 if tls else 80)),
                ssl=self._tls_context() if tls else None,
                server_hostname=host if tls else None,
            )
        except (OSError, UnicodeError) as error:
            raise ShadowUnreachable(f"{type(error).__name__}: {error}") from error
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            # The authorities that httpx trusts, so that both clients trust the same.
            self._tls = httpx.create_ssl_context(verify=True, trust_env=False)
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _head(self, request: CapturedRequest, headers: Mapping[str, str]) -> bytes:
        if not _METHOD.match(request.method):
            raise ShadowProtocolError(f"{request.method[:40]!r} cannot be sent as a method")
        names, replaced = _names(tuple(headers))
        ours = [(name, value.encode("latin-1")) for name, value in zip(names, headers.values(), strict=True)]
        theirs = [header for header in request.headers if header[0].lower() not in replaced]
        # An answer that is compressed small may be enormous, so none is asked for.
        ours += [(b"accept-encoding", b"identity"), (b"shadow-request", self._name)]
        if request.body or request.method in _METHODS_WITH_BODY:
            ours.append((b"content-length", b"%d" % len(request.body)))
        line = b"%b %b HTTP/1.1\r\nhost: %b\r\n"
        path = self._url.raw_path if self._has_path else request.path.encode("latin-1")
        line %= (request.method.encode(), request_target(path, request.query), self._url.netloc)
        return line + _fields([*theirs, *ours]) + b"\r\n"


@lru_cache(maxsize=64)
def _names(ours: tuple[str, ...]) -> tuple[tuple[bytes, ...], frozenset[bytes]]:
    """Our headers' names as they are sent, and the names that no header of the request may have then."""
    names = tuple(name.lower().encode() for name in ours)
    return names, _CONNECTION_HEADERS.union(names)


def _fields(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    fields = b"".join(b"%b: %b\r\n" % header for header in headers)
    if not _FIELDS.match(fields) or fields.count(b"\r\n") != len(headers):
        raise ShadowProtocolError("a header of the request cannot be sent on: it holds a line break")
    return fields
