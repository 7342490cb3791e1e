"""Capture: one exchange as it passes by. Does no I/O and knows no framework."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from shadow_mw.records import CapturedRequest, CapturedResponse, Headers, Mode


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request before its body. Immutable."""

    exchange_id: str
    request_id: str
    method: str
    route: str
    path: str
    query: str = ""
    headers: Headers = ()
    traceparent: str = ""
    tracestate: str = ""
    sample_rate: float = 1.0
    mode: Mode = "async"


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
        self.is_complete = not more or self.size + len(chunk) == self._declared
        if chunk and not self.is_too_large:
            self._keep(chunk)
        return self.is_complete

    def joined(self) -> bytes:
        """The whole body."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def _keep(self, chunk: bytes | bytearray | memoryview) -> None:
        self.size += len(chunk)
        if self.size > self._limit:
            self.is_too_large = True
            self._chunks.clear()
            return
        # A bytearray or memoryview may be overwritten by its owner once it has been sent.
        self._chunks.append(chunk if type(chunk) is bytes else bytes(chunk))


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
        self.declares_no_body = False
        """True when the head says that no body follows."""
        self._clock = clock
        self._complete_at = 0.0
        self._finished_at = 0.0
        self._started_us = 0
        self._status = 0
        self._headers: Headers = ()
        self._failure = ""
        self._is_body_captured = True

    def __repr__(self) -> str:
        """Which exchange this is."""
        return f"Capture({self.head.method} {self.head.path}, request_id={self.head.request_id!r})"

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

    def response_start(self, status: int, headers: Headers) -> None:
        """Note the status and the headers that say how to read the body."""
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

    def request(self) -> CapturedRequest:
        """The request half, which must be complete."""
        head = self.head
        traceparent, tracestate = self.parent if self.parent[0] else (head.traceparent, head.tracestate)
        return CapturedRequest(
            exchange_id=head.exchange_id,
            request_id=head.request_id,
            ts_us=self._started_us,
            method=head.method,
            route=head.route,
            path=head.path,
            query=head.query,
            headers=head.headers,
            body=self.request_body.joined(),
            traceparent=traceparent,
            tracestate=tracestate,
            sample_rate=head.sample_rate,
            mode=head.mode,
        )

    def response(self) -> CapturedResponse:
        """The response half: a prediction, or a failure with its reason."""
        finished_at = self._finished_at if self.is_answered else self._clock()
        return CapturedResponse(
            exchange_id=self.head.exchange_id,
            seconds=max(finished_at - self._complete_at, 0.0),
            status=self._status,
            headers=self._headers,
            body=self.response_body.joined(),
            is_body_captured=self._is_body_captured,
            failure=self._reason(),
        )

    def _reason(self) -> str:
        if self.is_answered:
            return "" if 200 <= self._status < 300 else str(self._status)
        return self._failure or ("incomplete_response" if self._status else "no_response")
