"""Shadows behind HTTP, asked with httpx."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping

import httpx

from shadow_mw.exceptions import (
    ShadowAnswerTooLarge,
    ShadowError,
    ShadowProtocolError,
    ShadowUnreachable,
)
from shadow_mw.records import Answer, CapturedRequest, Headers
from shadow_mw.shadows.request_target import request_target
from shadow_mw.targets import Target

_READING_HEADERS = (b"content-type", b"content-encoding")


class HTTPShadow:
    """A shadow that is asked over HTTP/1.1 with pooled connections.

    It follows no redirect, keeps no cookie, takes no proxy from the environment, checks certificates and
    reads no more than `max_body_bytes` of an answer. httpx's transport is used without its client, because
    redirects, cookies and environment are all that the client would add.
    """

    def __init__(self, target: Target, *, max_body_bytes: int, max_connections: int) -> None:
        """Prepare a pool; nothing is connected before the first call."""
        self._url = httpx.URL(target.url)
        self._has_path = target.has_path
        self._name = target.name
        self._max_body_bytes = max_body_bytes
        self._transport = httpx.AsyncHTTPTransport(
            trust_env=False,
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
        )

    def __repr__(self) -> str:
        """Name and address."""
        return f"HTTPShadow({self._name!r}, {str(self._url)!r})"

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        """The shadow's answer, whatever its status.

        Raises:
            ShadowUnreachable: no connection could be made.
            ShadowProtocolError: the connection broke, or this is not HTTP.
            ShadowAnswerTooLarge: the body is larger than `max_body_bytes`.

        """
        try:
            response = await self._transport.handle_async_request(self._outgoing(request, headers))
            try:
                body = await self._read(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise _mapped(error) from error
        return Answer(status=response.status_code, headers=_reading_headers(response), body=body)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _outgoing(self, request: CapturedRequest, headers: Mapping[str, str]) -> httpx.Request:
        path = self._url.raw_path if self._has_path else request.path.encode("latin-1")
        url = self._url.copy_with(raw_path=request_target(path, request.query))
        ours = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        replaced = {name.lower() for name, _ in ours} | {b"accept-encoding"}
        theirs = [(name, value) for name, value in request.headers if name not in replaced]
        # An answer that is compressed small may be enormous, so none is asked for.
        fixed = [(b"accept-encoding", b"identity"), (b"shadow-request", self._name.encode())]
        return httpx.Request(request.method, url, headers=theirs + ours + fixed, content=request.body)

    async def _read(self, response: httpx.Response) -> bytes:
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            raise ShadowAnswerTooLarge(f"the answer declares {declared} bytes")
        chunks: list[bytes] = []
        size = 0
        assert isinstance(response.stream, httpx.AsyncByteStream)
        stream: AsyncIterator[bytes] = response.stream.__aiter__()
        async for chunk in stream:
            size += len(chunk)
            if size > self._max_body_bytes:
                raise ShadowAnswerTooLarge(f"the answer is larger than {self._max_body_bytes} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


def _reading_headers(response: httpx.Response) -> Headers:
    return tuple(
        (name.lower(), value) for name, value in response.headers.raw if name.lower() in _READING_HEADERS
    )


def _mapped(error: Exception) -> ShadowError:
    text = f"{type(error).__name__}: {error}"
    unreachable = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
    return ShadowUnreachable(text) if isinstance(error, unreachable) else ShadowProtocolError(text)
