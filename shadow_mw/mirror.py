"""The production side: decides what is mirrored and hands it over."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import count

import msgspec

from shadow_mw.books import Books
from shadow_mw.boundary import Guard
from shadow_mw.capture import Capture, Head, Terms
from shadow_mw.ids import is_sampled, uuid7
from shadow_mw.protocols import Queue
from shadow_mw.records import Bucket, CapturedResponse, Skip
from shadow_mw.routes import Route, RouteTable
from shadow_mw.settings import Settings
from shadow_mw.stopwatch import Stopwatch
from shadow_mw.telemetry.context import is_marked
from shadow_mw.timed_capture import TimedCapture
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
        self._max_body_bytes = int(settings.max_body_bytes)
        self._terms = Terms(
            origin="",
            request_id_header=settings.request_id_header.lower().encode(),
            forwarded=frozenset(name.encode() for name in settings.forward_headers) - _CONNECTION_HEADERS,
            sample_rate=settings.sample_rate,
            mode=settings.mode,
        )
        self._sample_rate = settings.sample_rate
        self.stopwatch = Stopwatch(is_on=settings.max_added_seconds > 0.0)
        self._guard = Guard("mirroring a request")
        self.is_sync = settings.mode == "sync"
        self.needs_address = settings.control is not None and settings.control.is_self
        self.reset()

    def reset(self) -> None:
        """Name this process anew, after a fork."""
        self._terms = msgspec.structs.replace(self._terms, origin=uuid7())
        self._numbers = count()
        self.stopwatch.reset()

    @property
    def origin(self) -> str:
        """Names this process; a forked child has another."""
        return self._terms.origin

    def govern(self, share: float) -> None:
        """From now on mirror this share of what `SHADOW_SAMPLE_RATE` asks for.

        By the same hash, so that what is sampled at a lower rate is sampled at each higher one too.
        """
        self._terms = msgspec.structs.replace(self._terms, sample_rate=share * self._sample_rate)

    def __repr__(self) -> str:
        """Where it mirrors to."""
        mode, rate = self._terms.mode, self._terms.sample_rate
        return f"Mirror(shadows={list(self._shadows)}, mode={mode!r}, sample_rate={rate})"

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
        number = next(self._numbers)
        try:
            began_ns = 0 if number % self.stopwatch.every else time.perf_counter_ns()
            return self._admit(Head(self._terms, number, route, path, query, headers), began_ns)
        except Exception as error:  # noqa: BLE001 the guard's own boundary
            self._guard.note(error)
            return None

    def request_complete(self, capture: Capture) -> None:
        """In sync mode, send the request half ahead, so that the shadow is asked beside production."""
        if not self.is_sync or capture.is_offered or capture.request_body.is_too_large:
            return
        if capture.is_finished:
            return  # the app has answered before it read: no second half would follow
        with self._guard:
            began_ns = time.perf_counter_ns()
            capture.is_offered = self._queue.offer(capture.request())
            if isinstance(capture, TimedCapture):
                capture.spent_ns += time.perf_counter_ns() - began_ns

    def finish(self, capture: Capture) -> None:
        """Hand the exchange over, or book why not; what comes after the first call is ignored."""
        try:
            if not capture.finish():
                return
            if isinstance(capture, TimedCapture):
                self._finish_timed(capture)
            else:
                self._finish(capture)
        except Exception as error:  # noqa: BLE001 the guard's own boundary
            self._guard.note(error)

    def _admit(self, head: Head, began_ns: int) -> Capture | None:
        skip = self._skip_of(head)
        if skip is not None:
            self._books.add(str(head.route), self._shadows, skip)
            return None
        declared_bytes = _declared_bytes(head.named)
        if declared_bytes > self._max_body_bytes:
            self._lose(str(head.route), "too_large")
            return None
        if began_ns:
            capture: Capture = TimedCapture(head, self._max_body_bytes, declared_bytes, began_ns)
        else:
            capture = Capture(head, self._max_body_bytes, declared_bytes)
        # HTTP/2 needs no header for a body: without one, only methods that have none by custom count.
        if declared_bytes <= 0 and b"transfer-encoding" not in head.named:
            capture.declares_no_body = declared_bytes == 0 or head.route.method in BODYLESS_METHODS
        return capture

    def _finish_timed(self, capture: TimedCapture) -> None:
        began_ns = time.perf_counter_ns()
        self._finish(capture)
        self.stopwatch.note(capture.spent_ns + time.perf_counter_ns() - began_ns)

    def _finish(self, capture: Capture) -> None:
        if capture.is_offered:
            self._offer_response(capture)
        elif capture.is_too_large:
            self._lose(capture.route, "too_large")
        elif not capture.request_body.is_complete:
            self._books.add(capture.route, self._shadows, "request_incomplete")
        elif self.is_sync or not self._queue.offer_later(capture):
            self._lose(capture.route, "queue_full")

    def _offer_response(self, capture: Capture) -> None:
        response = capture.response()
        dropped: Bucket = "too_large" if capture.is_too_large else "queue_full"
        if not capture.is_too_large and self._queue.offer(response):
            return
        exchange_id = response.exchange_id
        self._queue.offer(
            CapturedResponse(exchange_id=exchange_id, seconds=response.seconds, dropped=dropped)
        )

    def _skip_of(self, head: Head) -> Skip | None:
        """Why a request is left out by policy, or None."""
        named, rate = head.named, head.terms.sample_rate
        if SHADOW_REQUEST_HEADER in named or (b"baggage" in named and is_marked(head.text(b"baggage"))):
            return "loop"
        if rate >= 1.0 or is_sampled(head.request_id, rate):
            return None
        return "governed" if is_sampled(head.request_id, self._sample_rate) else "not_sampled"

    def _lose(self, route: str, why: Bucket) -> None:
        self._books.add(route, self._shadows, "eligible", why)


def _declared_bytes(named: dict[bytes, bytes]) -> int:
    declared = named.get(b"content-length", b"")
    return int(declared) if declared.isdigit() and len(declared) < 20 else -1
