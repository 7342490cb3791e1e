"""Concealment: what is taken out of bodies before they leave the host (`SHADOW_REDACT_REQUEST`)."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TypeVar

import msgspec

from shadow_mw.exceptions import PayloadError
from shadow_mw.payload import decode_payload, is_event_stream
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange, Headers, Message
from shadow_mw.redaction import REDACTED, Redactor

#: Headers that tell nothing true of a body that was written anew.
_ENCODING = (b"content-encoding",)
_ENCODING_AND_TYPE = (b"content-encoding", b"content-type")
_JSON = (b"content-type", b"application/json")
_to_json = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_T = TypeVar("_T", CapturedRequest, CapturedResponse)


class Concealer:
    """Replaces the values of keys in the JSON bodies of both halves of an exchange. Immutable, thread-safe.

    A body that says it is JSON or an event stream, and can't be read, leaves the host as `"[redacted]"`; one
    of another kind has no keys, and leaves it as it is. An event stream from which something was taken leaves
    it put together, as JSON.
    """

    def __init__(self, keys: Collection[str], *, max_body_bytes: int) -> None:
        """Take the keys, and the cap of a decoded body; without keys nothing is looked at."""
        self._is_idle = not keys
        self._redactor = Redactor(keys)
        self._max_body_bytes = max_body_bytes

    def __repr__(self) -> str:
        """What redacts."""
        return f"Concealer({self._redactor!r})"

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange without what is to be concealed; the same object where that is nothing."""
        request, response = self._half(exchange.request), self._half(exchange.response)
        if request is exchange.request and response is exchange.response:
            return exchange
        return Exchange(request=request, response=response)

    def message(self, message: Message) -> Message:
        """A whole exchange, or a half of one."""
        if isinstance(message, Exchange):
            return self.exchange(message)
        if isinstance(message, CapturedRequest):
            return self._half(message)
        return self._half(message)

    def _half(self, half: _T) -> _T:
        body = half.body if self._is_idle else self._body(half.body, half.headers)
        if body is half.body:
            return half
        return msgspec.structs.replace(half, body=body, headers=_headers_of_json(half.headers))

    def _body(self, body: bytes, headers: Headers) -> bytes:
        try:
            value = decode_payload(body, headers, max_bytes=self._max_body_bytes)
        except PayloadError:
            return _to_json(REDACTED).encode()
        concealed = self._redactor(value)
        return body if concealed is value else _to_json(concealed).encode()


def _headers_of_json(headers: Headers) -> Headers:
    """The headers of a body that was written anew, as JSON."""
    is_stream = is_event_stream(headers)
    gone = _ENCODING_AND_TYPE if is_stream else _ENCODING
    kept = tuple((name, value) for name, value in headers if name.lower() not in gone)
    return (*kept, _JSON) if is_stream else kept
