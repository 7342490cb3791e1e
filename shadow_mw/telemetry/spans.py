"""Spans: `predict production` and `predict shadow` side by side in one trace.

Made in the worker with explicit times and parents: nothing here reads the ambient context, makes anything
current, or raises.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shadow_mw.boundary import Guard
from shadow_mw.records import CapturedRequest, CapturedResponse, Comparison, Role
from shadow_mw.telemetry import names
from shadow_mw.telemetry.attributes import Value, plain, text, url_attributes
from shadow_mw.telemetry.context import MARK, as_text
from shadow_mw.telemetry.tracer import SpanMaker

_PREDICTION_CHARACTERS = 256
_propagator = TraceContextTextMapPropagator()
_guard = Guard("making spans")


class Tracing:
    """The maker of all spans of one worker. Never raises."""

    def __init__(self, tracer: SpanMaker, *, queue: str, linked: bool) -> None:
        """Use `tracer`; with `linked` each shadow span is the root of a trace of its own."""
        self.tracer = tracer
        self.queue = queue
        self.linked = linked

    def __repr__(self) -> str:
        """Queue and kind of trace."""
        return f"Tracing(queue={self.queue!r}, linked={self.linked})"

    def begin(self, request: CapturedRequest, *, shadows: int = 1) -> ExchangeSpans:
        """The spans of one exchange, of which so many shadows are going to be asked."""
        return ExchangeSpans(self, request, shadows)


class ExchangeSpans:
    """The spans of one exchange: production's, one a shadow, and their parent where the app has none.

    That parent ends with the last of production and the shadows.
    """

    def __init__(self, tracing: Tracing, request: CapturedRequest, shadows: int) -> None:
        """Start production's span at the moment when the request was complete."""
        self._tracing = tracing
        self._start_ns = self._end_ns = request.ts_us * 1000
        self._unasked, self._open = shadows, 1
        self._is_production_open = True
        self._cover: Span = INVALID_SPAN
        self._parent = _parent_of(request)
        common = _identity(request)
        if not (tracing.linked or _context_of(self._parent).is_valid):
            name = f"{names.SPAN_EXCHANGE} {request.method} {_pattern(request)}"
            self._cover = self._start(name, SpanKind.INTERNAL, self._parent, self._start_ns, common)
            self._parent = set_span_in_context(self._cover, Context())
        self._common = {
            **common,
            names.MODE: request.mode,
            names.QUEUE: text(tracing.queue),
            names.SAMPLE_RATE: plain(request.sample_rate),
        }
        attributes = {**self._common, names.ROLE: "production"}
        self._production = self._start(
            names.SPAN_PRODUCTION, SpanKind.INTERNAL, self._parent, self._start_ns, attributes
        )
        self.trace_id, self.production_span_id = _ids(self._production, self._parent)

    def ask(self, shadow: str, url: str, *, role: Role = "shadow", waited_seconds: float) -> ShadowSpan:
        """The span of one shadow that is asked now, by a `url`, after its exchange waited so long."""
        attributes = {
            **self._common,
            names.ROLE: role,
            names.SHADOW_NAME: text(shadow),
            names.QUEUE_DURATION: plain(waited_seconds),
            **url_attributes(url),
        }
        production = self._production.get_span_context()
        # Where production is not sampled, a trace of the shadow alone would tell nothing.
        is_root = self._tracing.linked and production.trace_flags.sampled
        parent = Context() if is_root else self._parent
        links = [Link(production)] if self.production_span_id else []
        start_ns = time.time_ns()
        span = self._start(names.SPAN_SHADOW, SpanKind.CLIENT, parent, start_ns, attributes, links)
        self._unasked -= 1
        self._open += 1
        return ShadowSpan(self, span, _ids(span, parent)[1], start_ns)

    def end_production(self, response: CapturedResponse, prediction: str) -> None:
        """End production's span when production had answered; only the first call counts."""
        if not self._is_production_open:
            return
        self._is_production_open = False
        end_ns = self._start_ns + round(response.seconds * 1e9)
        _finish(self._production, end_ns, _answer(prediction, response.status), failure=response.failure)
        self.ended(end_ns)

    def close(self) -> None:
        """Ask no more shadows: those that were to come do not keep the parent open."""
        self._unasked = 0
        self._end_cover()

    def unasked(self) -> None:
        """Note that one of the spans came to nothing, and that its shadow is still to be asked."""
        self._unasked += 1
        self._open -= 1

    def ended(self, end_ns: int) -> None:
        """Note that one of the spans has ended."""
        self._end_ns = max(self._end_ns, end_ns)
        self._open -= 1
        self._end_cover()

    def _end_cover(self) -> None:
        if self._open == 0 and self._unasked <= 0:
            self._open = -1
            if self._cover is not INVALID_SPAN:
                _finish(self._cover, self._end_ns, {})

    def _start(
        self,
        name: str,
        kind: SpanKind,
        parent: Context,
        start_ns: int,
        attributes: Mapping[str, Value],
        links: Sequence[Link] = (),
    ) -> Span:
        span: Span = INVALID_SPAN
        with _guard:
            span = self._tracing.tracer.start_span(name, parent, kind, attributes, links, start_ns)
        # Where there is no telemetry of ours, the caller's trace still goes on to the shadow.
        return span if span.get_span_context().is_valid else NonRecordingSpan(_context_of(parent))


class ShadowSpan:
    """The span of one shadow call; it tells everything about its exchange by itself."""

    def __init__(self, exchange: ExchangeSpans, span: Span, span_id: str, start_ns: int) -> None:
        """Take the started span."""
        self.span_id = span_id
        self._exchange = exchange
        self._span = span
        self._start_ns = start_ns
        self._is_open = True

    @property
    def headers(self) -> Mapping[str, str]:
        """What is sent to the shadow in place of the request's own trace context and baggage."""
        context = self._span.get_span_context()
        traceparent, tracestate = as_text(context) if context.is_valid else ("", "")
        headers = {"traceparent": traceparent, "tracestate": tracestate, "baggage": MARK}
        return {name: value for name, value in headers.items() if value}

    def discard(self) -> None:
        """Forget the span: the shadow was not asked after all, and another one will begin."""
        if self._is_open:
            self._is_open = False
            self._exchange.unasked()

    def end(self, comparison: Comparison) -> None:
        """End the span when the shadow had answered or failed; only the first call counts."""
        if not self._is_open:
            return
        self._is_open = False
        end_ns = self._start_ns + comparison.shadow_us * 1000
        failed = comparison.outcome != "answered"
        _finish(
            self._span,
            end_ns,
            _told(comparison),
            failure=(comparison.error_type or comparison.outcome) if failed else "",
            description=comparison.error,
        )
        self._exchange.ended(end_ns)


def _identity(request: CapturedRequest) -> dict[str, Value]:
    return {
        names.REQUEST_ID: text(request.request_id),
        names.HTTP_REQUEST_METHOD: text(request.method),
        names.HTTP_ROUTE: text(_pattern(request)),
    }


def _pattern(request: CapturedRequest) -> str:
    """The path pattern alone, as `http.route` has it; our routes begin with their method."""
    return request.route.removeprefix(f"{request.method} ")


def _told(comparison: Comparison) -> dict[str, Value]:
    told: dict[str, Value] = {
        names.PRODUCTION_DURATION: comparison.production_us / 1e6,
        names.OUTCOME: comparison.outcome,
        names.VERDICT: comparison.verdict,
        **_answer(comparison.shadow_prediction, comparison.shadow_status),
    }
    if comparison.production_prediction:
        told[names.PRODUCTION_PREDICTION] = text(comparison.production_prediction, _PREDICTION_CHARACTERS)
    if comparison.delta is not None:
        told[names.DELTA] = plain(comparison.delta)
    if comparison.comparator:
        told[names.COMPARATOR] = text(comparison.comparator)
    return told


def _answer(prediction: str, status: int) -> dict[str, Value]:
    answer: dict[str, Value] = {names.HTTP_RESPONSE_STATUS_CODE: status} if status else {}
    if prediction:
        answer[names.PREDICTION] = text(prediction, _PREDICTION_CHARACTERS)
    return answer


def _finish(
    span: Span,
    end_ns: int,
    attributes: Mapping[str, Value],
    *,
    failure: str = "",
    description: str = "",
) -> None:
    with _guard:
        if attributes:
            span.set_attributes(attributes)
        if failure:
            span.set_attribute(names.ERROR_TYPE, text(failure))
            span.set_status(Status(StatusCode.ERROR, text(description or failure)))
    with _guard:
        span.end(end_ns)


def _parent_of(request: CapturedRequest) -> Context:
    if not request.traceparent:
        return Context()
    carrier = {"traceparent": request.traceparent}
    if request.tracestate:
        carrier["tracestate"] = request.tracestate
    with _guard:
        return _propagator.extract(carrier, Context())
    return Context()


def _context_of(parent: Context) -> SpanContext:
    return get_current_span(parent).get_span_context()


def _ids(span: Span, parent: Context) -> tuple[str, str]:
    """Trace id and span id; the latter is empty where a no-op tracer gave the parent back."""
    own = span.get_span_context()
    if not own.is_valid:
        return "", ""
    is_parent = own.span_id == _context_of(parent).span_id
    return format_trace_id(own.trace_id), "" if is_parent else format_span_id(own.span_id)
