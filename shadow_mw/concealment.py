"""Concealment: what is taken out of exchanges before they leave the host (`SHADOW_REDACT_REQUEST`)."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TypeVar
from urllib.parse import quote, unquote_plus

import msgspec

from shadow_mw.exceptions import PayloadError
from shadow_mw.payload import decode_payload, is_event_stream
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange, Headers, Message
from shadow_mw.redaction import REDACTED, Redactor

#: Headers that tell nothing true of a body that was written anew.
_ENCODING = (b"content-encoding",)
_ENCODING_AND_TYPE = (b"content-encoding", b"content-type")
_JSON = (b"content-type", b"application/json")
_FORM = b"application/x-www-form-urlencoded"
_to_json = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
#: The body in the place of one that can't be read.
_UNREADABLE = _to_json(REDACTED).encode()
_T = TypeVar("_T", CapturedRequest, CapturedResponse)


class Concealer:
    """Hides values in the JSON bodies of both halves of an exchange, and by key in queries and forms.

    A body that says it is JSON or an event stream, and can't be read, leaves the host as `"[redacted]"`; one
    of another kind has no keys, and leaves it as it is. An event stream from which something was taken leaves
    it put together, as JSON. Immutable, thread-safe.
    """

    def __init__(self, entries: Collection[str], *, max_body_bytes: int, key: str = "") -> None:
        """Take entries as `Redactor` does, and the cap of a decoded body; without entries it is idle."""
        self._is_idle = not entries
        self._redactor = Redactor(entries, key)
        self._max_body_bytes = max_body_bytes

    def __repr__(self) -> str:
        """What redacts."""
        return f"Concealer({self._redactor!r})"

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange without what is to be concealed; the same object where that is nothing."""
        request, response = self._request(exchange.request), self._half(exchange.response)
        if request is exchange.request and response is exchange.response:
            return exchange
        return Exchange(request=request, response=response)

    def message(self, message: Message) -> Message:
        """A whole exchange, or a half of one."""
        if isinstance(message, Exchange):
            return self.exchange(message)
        if isinstance(message, CapturedRequest):
            return self._request(message)
        return self._half(message)

    def _request(self, request: CapturedRequest) -> CapturedRequest:
        half = self._half(request)
        if self._is_idle or not request.query:
            return half
        query = self._pairs(request.query)
        return half if query == request.query else msgspec.structs.replace(half, query=query)

    def _half(self, half: _T) -> _T:
        body = half.body if self._is_idle else self._body(half.body, half.headers)
        if body is half.body:
            return half
        return msgspec.structs.replace(half, body=body, headers=_headers_of(body, half.headers))

    def _body(self, body: bytes, headers: Headers) -> bytes:
        try:
            value = decode_payload(body, headers, max_bytes=self._max_body_bytes)
            if isinstance(value, bytes) and _is_form(headers):
                return self._form(body, value)
            concealed = self._redactor(value)
            return body if concealed is value else _to_json(concealed).encode()
        except (PayloadError, RecursionError):
            return _UNREADABLE

    def _form(self, body: bytes, form: bytes) -> bytes:
        text = form.decode("latin-1")
        concealed = self._pairs(text)
        return body if concealed == text else concealed.encode("latin-1")

    def _pairs(self, text: str) -> str:
        """A query or form, by its keys; those that nothing is said of stay as they were written."""
        return "&".join(pair for pair in map(self._pair, text.split("&")) if pair is not None)

    def _pair(self, pair: str) -> str | None:
        name, equals, value = pair.partition("=")
        fate = self._redactor.fate_of(unquote_plus(name))
        if fate == "drop":
            return None
        if fate is None or not equals:
            return pair
        return f"{name}={quote(self._redactor.text(unquote_plus(value), fate))}"


def _is_form(headers: Headers) -> bool:
    return any(name.lower() == b"content-type" and value.lower().startswith(_FORM) for name, value in headers)


def _headers_of(body: bytes, headers: Headers) -> Headers:
    """The headers of a body that was written anew; an event stream that can't be read stays a broken one."""
    is_json_now = is_event_stream(headers) and body != _UNREADABLE
    gone = _ENCODING_AND_TYPE if is_json_now else _ENCODING
    kept = tuple((name, value) for name, value in headers if name.lower() not in gone)
    return (*kept, _JSON) if is_json_now else kept
