"""Shadows behind HTTP, asked with httpx."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence

import httpcore
import httpx

from shadow_mw.exceptions import (
    ShadowAnswerTooLarge,
    ShadowError,
    ShadowProtocolError,
    ShadowUnreachable,
)
from shadow_mw.networks import Network
from shadow_mw.records import Answer, CapturedRequest, Headers
from shadow_mw.shadows.admission import Admission
from shadow_mw.shadows.request_target import request_target
from shadow_mw.shadows.watched_network import WatchedNetwork, WatchedStream
from shadow_mw.targets import Target

#: How to read the body, and when to ask again.
_KEPT_HEADERS = (b"content-type", b"content-encoding", b"retry-after")
_KEEP_ALIVE_SECONDS = 5.0
_UNREACHABLE = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.UnsupportedProtocol,
    httpx.InvalidURL,
)
_BROKEN = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError, OSError)


class HTTPShadow:
    """A shadow that is asked over HTTP/1.1 with pooled connections.

    It follows no redirect, keeps no cookie, takes no proxy from the environment, checks certificates and
    reads no more than `max_body_bytes` of an answer. httpx's pool, httpcore, is used without its client,
    because redirects, cookies and environment are all that the client would add.
    """

    def __init__(
        self, target: Target, *, max_body_bytes: int, max_connections: int, networks: Sequence[Network] = ()
    ) -> None:
        """Prepare a pool; nothing is connected before the first call."""
        self._url = httpx.URL(target.url)
        self._has_path = target.has_path
        self._name = target.name
        self._max_body_bytes = max_body_bytes
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(verify=True, trust_env=False),
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
            network_backend=WatchedNetwork(Admission(target, networks)),
        )

    def __repr__(self) -> str:
        """Name and address."""
        return f"HTTPShadow({self._name!r}, {str(self._url)!r})"

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        """The shadow's answer, whatever its status.

        Raises:
            ShadowAddressRefused: its name means an address where no shadow may be.
            ShadowUnreachable: no connection could be made.
            ShadowProtocolError: the connection broke, or this is not HTTP.
            ShadowAnswerTooLarge: the body is larger than `max_body_bytes`.

        """
        try:
            response = await self._pool.handle_async_request(self._outgoing(request, headers))
            try:
                body = await self._read(response)
                stream = response.extensions["network_stream"]
                if isinstance(stream, WatchedStream):  # not where the shadow switches protocols
                    stream.end_of_answer(request.method, len(body))
            finally:
                await response.aclose()
        except (*_UNREACHABLE, *_BROKEN) as error:
            raise _mapped(error) from error
        return Answer(status=response.status, headers=_kept_headers(response), body=body)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    def _outgoing(self, request: CapturedRequest, headers: Mapping[str, str]) -> httpcore.Request:
        path = self._url.raw_path if self._has_path else request.path.encode("latin-1")
        url = self._url.copy_with(raw_path=request_target(path, request.query))
        ours = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        replaced = {name.lower() for name, _ in ours} | {b"accept-encoding"}
        theirs = [(name, value) for name, value in request.headers if name not in replaced]
        # An answer that is compressed small may be enormous, so none is asked for.
        fixed = [(b"accept-encoding", b"identity"), (b"shadow-request", self._name.encode())]
        # httpx adds what belongs to the connection: host and content-length.
        made = httpx.Request(request.method, url, headers=theirs + ours + fixed, content=request.body)
        host, port = url.raw_host, url.port
        address = httpcore.URL(scheme=url.raw_scheme, host=host, port=port, target=url.raw_path)
        return httpcore.Request(request.method, address, headers=made.headers.raw, content=request.body)

    async def _read(self, response: httpcore.Response) -> bytes:
        declared = next((value for name, value in response.headers if name.lower() == b"content-length"), b"")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            raise ShadowAnswerTooLarge(f"the answer declares {declared.decode()} bytes")
        chunks: list[bytes] = []
        size = 0
        stream: AsyncIterator[bytes] = response.aiter_stream()
        async for chunk in stream:
            size += len(chunk)
            if size > self._max_body_bytes:
                raise ShadowAnswerTooLarge(f"the answer is larger than {self._max_body_bytes} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


def _kept_headers(response: httpcore.Response) -> Headers:
    return tuple((name.lower(), value) for name, value in response.headers if name.lower() in _KEPT_HEADERS)


def _mapped(error: Exception) -> ShadowError:
    text = f"{type(error).__name__}: {error}"
    return ShadowUnreachable(text) if isinstance(error, _UNREACHABLE) else ShadowProtocolError(text)
