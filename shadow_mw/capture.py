"""Capture: one exchange as it passes by. Does no I/O and knows no framework."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from shadow_mw.ids import accepted_request_id, trace_id_of, uuid7
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange, Headers, Mode
from shadow_mw.routes import Route
from shadow_mw.wire import READING_HEADERS


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What all exchanges of one mirror have in common. Immutable."""

    origin: str
    """Names the process: exchange ids begin with it."""
    request_id_header: bytes
    forwarded: frozenset[bytes]
    """Names of the headers that a shadow gets, in lower case."""
    sample_rate: float
    mode: Mode


class Head:
    """What is known of a request before its body: as it came, and read no sooner than it is needed."""

    __slots__ = ("_fields", "_number", "_request_id", "address", "named", "path", "query", "route", "terms")

    def __init__(
        self,
        terms: Terms,
        number: int,
        route: Route,
        path: str,
        query: str,
        headers: Iterable[tuple[bytes, bytes]],
    ) -> None:
        """Take what `Mirror.admit` gets; `number` never repeats under the same terms."""
        self.route = route
        self.path = path
        self.query = query
        self.terms = terms
        self._number = number
        self._fields = list(headers)
        self.named = dict(reversed(self._fields))
        """Values by name; the first of repeated headers counts."""
        self._request_id = ""
        self.address = ""
        """Where production itself can be asked; empty where nobody is going to."""

    @property
    def exchange_id(self) -> str:
        """Joins the halves of one exchange."""
        return f"{self.terms.origin}-{self._number:x}"

    @property
    def request_id(self) -> str:
        """The caller's, else that of its trace, else one of ours."""
        if not self._request_id:
            own = accepted_request_id(self.text(self.terms.request_id_header))
            self._request_id = own or trace_id_of(self.text(b"traceparent")) or uuid7()
        return self._request_id

    def text(self, name: bytes) -> str:
        """The value of a header, or an empty text."""
        return self.named.get(name, b"").decode("latin-1")

    def request(self, started_us: int, body: bytes, parent: tuple[str, str]) -> CapturedRequest:
        """The request half with this body; under the caller's span where no `parent` is known."""
        traceparent, tracestate = (
            parent if parent[0] else (self.text(b"traceparent"), self.text(b"tracestate"))
        )
        forwarded = self.terms.forwarded
        return CapturedRequest(
            exchange_id=self.exchange_id,
            request_id=self.request_id,
            ts_us=started_us,
            method=self.route.method,
            route=str(self.route),
            path=self.path,
            query=self.query,
            headers=tuple([field for field in self._fields if field[0] in forwarded]),
            body=body,
            traceparent=traceparent,
            tracestate=tracestate,
            sample_rate=self.terms.sample_rate,
            mode=self.terms.mode,
            address=self.address,
        )


class Body:
    """The chunks of one body: references, not copies, and none at all beyond the limit."""

    __slots__ = ("_chunks", "_declared", "_limit", "is_complete", "is_too_large", "size")

    def __init__(self, limit: int, declared: int = -1) -> None:
        """Keep at most `limit` bytes; a body of `declared` bytes is complete when they have come."""
        self._limit = limit
        self._declared = declared
        self._chunks: list[bytes] = []
        self.size = 0
        self.is_complete = False
        self.is_too_large = False

    def add(self, chunk: bytes | bytearray | memoryview, *, more: bool) -> bool:
        """Note the next chunk; True when it completes the body."""
        size = self.size + len(chunk)
        self.is_complete = not more or size == self._declared
        if chunk and not self.is_too_large:
            self.size = size
            # A bytearray or memoryview may be overwritten by its owner once it has been sent.
            self._chunks.append(chunk if type(chunk) is bytes else bytes(chunk))
            if size > self._limit:
                self.is_too_large = True
                self._chunks.clear()
        return self.is_complete

    def joined(self) -> bytes:
        """The whole body."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)


class Capture:
    """The state of one exchange while it is under way; one object a request. Not thread-safe."""

    __slots__ = (
        "_clock",
        "_complete_at",
        "_failure",
        "_finished_at",
        "_headers",
        "_is_body_captured",
        "_started_us",
        "_status",
        "declares_no_body",
        "head",
        "is_finished",
        "is_offered",
        "is_prediction",
        "parent",
        "request_body",
        "response_body",
    )

    def __init__(
        self,
        head: Head,
        max_body_bytes: int,
        declared_bytes: int = -1,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin with the head of a request, and the length of its body where it declares one."""
        self.head = head
        self.request_body = Body(max_body_bytes, declared_bytes)
        self.response_body = Body(max_body_bytes)
        self.parent: tuple[str, str] = ("", "")
        """`traceparent` and `tracestate` of the server span, once one is seen."""
        self.is_offered = False
        """True once the request half has gone ahead (sync mode)."""
        self.is_finished = False
        self.is_prediction = False
        """True where the body of the response is the prediction itself, as what a function returns."""
        self.declares_no_body = False
        """True when the head says that no body follows."""
        self._clock = clock
        self._complete_at = 0.0
        self._finished_at = 0.0
        self._started_us = 0
        self._status = 0
        self._headers: tuple[Any, ...] = ()
        self._failure = ""
        self._is_body_captured = True

    def __repr__(self) -> str:
        """Which exchange this is."""
        return f"Capture({self.head.route.method} {self.head.path}, request_id={self.head.request_id!r})"

    @property
    def route(self) -> str:
        """The route under which it is booked."""
        return str(self.head.route)

    @property
    def size_bytes(self) -> int:
        """What the captured bodies take."""
        return self.request_body.size + self.response_body.size

    @property
    def is_too_large(self) -> bool:
        """True when one of the bodies is larger than is mirrored."""
        return self.request_body.is_too_large or self.response_body.is_too_large

    @property
    def is_answered(self) -> bool:
        """True when the response is complete."""
        return self.response_body.is_complete

    def request_chunk(self, chunk: bytes, *, more: bool) -> bool:
        """Note a part of the request body; True when it completes the request."""
        if self.request_body.is_complete or not self.request_body.add(chunk, more=more):
            return False
        self._complete_at = self._clock()
        self._started_us = time.time_ns() // 1000
        return True

    def response_start(self, status: int, headers: tuple[Any, ...]) -> None:
        """Note the status, and the headers as pairs of bytes."""
        if self.is_finished:
            return  # it may be put together at this very moment
        self._status = status
        self._headers = headers

    def response_chunk(self, chunk: bytes | bytearray | memoryview, *, more: bool) -> None:
        """Note a part of the response body."""
        if self.response_body.is_complete:
            return
        self.response_body.add(chunk, more=more)
        self._finished_at = self._clock()

    def response_ended(self) -> None:
        """Note that the chunk before was the last one, which a WSGI app tells only afterwards."""
        finished_at = self._finished_at
        self.response_chunk(b"", more=False)
        self._finished_at = finished_at or self._finished_at

    def response_unseen(self) -> None:
        """Note that the server sends the body by itself, so that it can't be captured."""
        self._is_body_captured = False
        self.response_chunk(b"", more=False)

    def failed(self, reason: str) -> None:
        """Note why there may be no complete response; the first reason counts."""
        self._failure = self._failure or reason

    def finish(self) -> bool:
        """Note the end of the exchange; False when it was noted before."""
        if self.is_finished:
            return False
        self.is_finished = True
        if not self.is_answered:
            self._finished_at = self._clock()
        return True

    def message(self) -> Exchange:
        """The whole exchange, once it is finished."""
        return Exchange(request=self.request(), response=self.response())

    def request(self) -> CapturedRequest:
        """The request half, which must be complete."""
        return self.head.request(self._started_us, self.request_body.joined(), self.parent)

    def response(self) -> CapturedResponse:
        """The response half of a finished exchange: a prediction, or a failure with its reason."""
        return CapturedResponse(
            exchange_id=self.head.exchange_id,
            seconds=max(self._finished_at - self._complete_at, 0.0),
            status=self._status,
            headers=_reading_headers(self._headers),
            body=self.response_body.joined(),
            is_body_captured=self._is_body_captured,
            failure=self._reason(),
            is_prediction=self.is_prediction,
        )

    def _reason(self) -> str:
        if self.is_answered:
            return "" if 200 <= self._status < 300 else str(self._status)
        return self._failure or ("incomplete_response" if self._status else "no_response")


def _reading_headers(headers: tuple[Any, ...]) -> Headers:
    return tuple([(bytes(name), bytes(value)) for name, value in headers if name.lower() in READING_HEADERS])
