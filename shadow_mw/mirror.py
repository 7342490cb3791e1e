"""The production side: decides what is mirrored and hands it over."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from shadow_mw.books import Books
from shadow_mw.capture import Capture, Head
from shadow_mw.guard import Guard
from shadow_mw.ids import accepted_request_id, is_sampled, trace_id_of, uuid7
from shadow_mw.protocols import Queue
from shadow_mw.records import Bucket, CapturedResponse, Exchange, Headers, Skip
from shadow_mw.routes import Route, RouteTable
from shadow_mw.settings import Settings
from shadow_mw.telemetry.context import is_marked
from shadow_mw.wire import BODYLESS_METHODS

SHADOW_REQUEST_HEADER = b"shadow-request"
#: Never sent on, whatever the settings say: they belong to one connection, not to the request.
_HOP_BY_HOP = {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"}
_REPLACED = {b"host", b"content-length", b"traceparent", b"tracestate", b"baggage", SHADOW_REQUEST_HEADER}
_PROXY = {b"proxy-connection", b"proxy-authorization"}
_CONNECTION_HEADERS = frozenset(_HOP_BY_HOP | _REPLACED | _PROXY)


class Mirror:
    """Copies live traffic to shadows; the part of it that production sees. Thread-safe, never raises."""

    def __init__(self, settings: Settings, queue: Queue, books: Books) -> None:
        """Read from the settings all that a request needs, so that a request reads none."""
        self._queue = queue
        self._books = books
        self._routes = RouteTable(settings.routes)
        self._shadows = tuple(target.name for target in settings.targets)
        self._sample_rate = settings.sample_rate
        self._max_body_bytes = int(settings.max_body_bytes)
        self._mode = settings.mode
        self._request_id_header = settings.request_id_header.lower().encode()
        self._forwarded = frozenset(name.encode() for name in settings.forward_headers) - _CONNECTION_HEADERS
        self._guard = Guard("mirroring a request")
        self.is_sync = settings.mode == "sync"
        self.reset()

    def reset(self) -> None:
        """Name this process anew, after a fork."""
        self._origin = uuid7()
        self._numbers = count()

    def __repr__(self) -> str:
        """Where it mirrors to."""
        return f"Mirror(shadows={list(self._shadows)}, mode={self._mode!r}, sample_rate={self._sample_rate})"

    def find(self, method: str, path: str) -> Route | None:
        """The predict route of a request, or None."""
        return self._routes.find(method, path)

    def admit(
        self, route: Route, path: str, query: str, headers: Iterable[tuple[bytes, bytes]]
    ) -> Capture | None:
        """A capture for this request, or None when it is left out.

        Args:
            route: What `find` returned.
            path: The raw, percent-encoded path.
            query: The raw query without the question mark.
            headers: Names in lower case.

        """
        with self._guard:
            fields = list(headers)
            named = dict(reversed(fields))  # the first of repeated headers counts
            if SHADOW_REQUEST_HEADER in named or is_marked(_text(named.get(b"baggage"))):
                self._skip(route, "loop")
                return None
            request_id = self._request_id(named)
            if not is_sampled(request_id, self._sample_rate):
                self._skip(route, "not_sampled")
                return None
            declared_bytes = _declared_bytes(named)
            if declared_bytes > self._max_body_bytes:
                self._lose(str(route), "too_large")
                return None
            head = self._head(route, path, query, request_id, fields, named)
            capture = Capture(head, self._max_body_bytes, declared_bytes)
            # HTTP/2 needs no header for a body: without one, only methods that have none by custom count.
            if declared_bytes <= 0 and b"transfer-encoding" not in named:
                capture.declares_no_body = declared_bytes == 0 or route.method in BODYLESS_METHODS
            return capture
        return None

    def request_complete(self, capture: Capture) -> None:
        """In sync mode, send the request half ahead, so that the shadow is asked beside production."""
        if self._mode != "sync" or capture.is_offered or capture.request_body.is_too_large:
            return
        with self._guard:
            capture.is_offered = self._queue.offer(capture.request())

    def finish(self, capture: Capture) -> None:
        """Hand the exchange over, or book why not; what comes after the first call is ignored."""
        if capture.is_finished:
            return
        capture.is_finished = True
        with self._guard:
            self._finish(capture)

    def _finish(self, capture: Capture) -> None:
        route = capture.head.route
        if capture.is_offered:
            self._offer_response(capture)
        elif capture.is_too_large:
            self._lose(route, "too_large")
        elif not capture.request_body.is_complete:
            self._books.add(route, self._shadows, "request_incomplete")
        elif self._mode == "sync" or not self._queue.offer(_exchange(capture)):
            self._lose(route, "queue_full")

    def _offer_response(self, capture: Capture) -> None:
        response = capture.response()
        dropped: Bucket = "too_large" if capture.is_too_large else "queue_full"
        if not capture.is_too_large and self._queue.offer(response):
            return
        exchange_id = response.exchange_id
        self._queue.offer(
            CapturedResponse(exchange_id=exchange_id, seconds=response.seconds, dropped=dropped)
        )

    def _skip(self, route: Route, why: Skip) -> None:
        self._books.add(str(route), self._shadows, why)

    def _lose(self, route: str, why: Bucket) -> None:
        self._books.add(route, self._shadows, "eligible", why)

    def _request_id(self, named: dict[bytes, bytes]) -> str:
        own = accepted_request_id(_text(named.get(self._request_id_header)))
        return own or trace_id_of(_text(named.get(b"traceparent"))) or uuid7()

    def _head(
        self,
        route: Route,
        path: str,
        query: str,
        request_id: str,
        fields: Headers | list[tuple[bytes, bytes]],
        named: dict[bytes, bytes],
    ) -> Head:
        return Head(
            exchange_id=f"{self._origin}-{next(self._numbers):x}",
            request_id=request_id,
            method=route.method,
            route=str(route),
            path=path,
            query=query,
            headers=tuple((name, value) for name, value in fields if name in self._forwarded),
            traceparent=_text(named.get(b"traceparent")),
            tracestate=_text(named.get(b"tracestate")),
            sample_rate=self._sample_rate,
            mode=self._mode,
        )


def _exchange(capture: Capture) -> Exchange:
    return Exchange(request=capture.request(), response=capture.response())


def _declared_bytes(named: dict[bytes, bytes]) -> int:
    declared = named.get(b"content-length", b"")
    return int(declared) if declared.isdigit() and len(declared) < 20 else -1


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("latin-1")
