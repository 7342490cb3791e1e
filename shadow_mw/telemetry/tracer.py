"""A tracer whose spans reach the SDK when they are finished, in one piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    get_current_span,
)

# Level 2 of the W3C Trace Context; SDKs before 1.42 know nothing of it.
_RANDOM = int(getattr(TraceFlags, "RANDOM_TRACE_ID", 0))
_UNSET = Status(StatusCode.UNSET)


class FinishedTracer:
    """A stand-in for the SDK's tracer at a third of its cost. Thread-safe, its spans are not.

    The SDK's live span locks, bounds and checks every attribute for whoever may write to it from anywhere.
    Ours are written by one thread, with plain values that are capped already; so they are kept in a dict
    until the end and become the SDK's `ReadableSpan` then. Sampler, ids, resource, limits and processors are
    the provider's. A processor is told of the end of a span only.
    """

    def __init__(self, provider: TracerProvider, processor: SpanProcessor, scope: str) -> None:
        """Take the parts of `provider`, which hands what `processor` gets to the exporters."""
        self._provider = provider
        self._processor = processor
        self._scope = InstrumentationScope(scope)
        self._limits = SpanLimits()

    def __repr__(self) -> str:
        """The instrumentation scope."""
        return f"FinishedTracer({self._scope.name!r})"

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] = (),
        start_time: int | None = None,
    ) -> Span:
        """A span as the sampler decides; `start_time` in nanoseconds, the attributes of plain types."""
        parent = get_current_span(context).get_span_context()
        is_root = not parent.is_valid
        ids = self._provider.id_generator
        trace_id = ids.generate_trace_id() if is_root else parent.trace_id
        sampled: Any = self._provider.sampler.should_sample(context, trace_id, name, kind, attributes, links)
        flags = self._random_flag(parent, is_root=is_root) | sampled.decision.is_sampled()
        own = SpanContext(trace_id, ids.generate_span_id(), False, TraceFlags(flags), sampled.trace_state)
        if not sampled.decision.is_recording():
            return NonRecordingSpan(own)
        head = (name, own, None if is_root else parent, kind, links, start_time)
        return _OpenSpan(self, head, dict(sampled.attributes or ()))

    def finish(
        self, head: tuple[Any, ...], attributes: dict[str, Any], status: Status, end_time: int | None
    ) -> None:
        """Hand a finished span to the processor."""
        name, own, parent, kind, links, start_time = head
        span = ReadableSpan(
            name,
            own,
            parent,
            self._provider.resource,
            self._bounded(attributes),
            (),
            self._bounded_links(links),
            kind,
            None,
            status,
            start_time,
            end_time,
            self._scope,
        )
        self._processor.on_end(span)

    def _random_flag(self, parent: SpanContext, *, is_root: bool) -> int:
        if not is_root:
            return parent.trace_flags & _RANDOM
        is_random = getattr(self._provider.id_generator, "is_trace_id_random", bool)
        return _RANDOM if is_random() else 0

    def _bounded(self, attributes: dict[str, Any]) -> Mapping[str, Any]:
        limits = self._limits
        most = limits.max_span_attributes
        if limits.max_span_attribute_length is None and (most is None or len(attributes) <= most):
            return attributes
        return BoundedAttributes(most, attributes, True, limits.max_span_attribute_length)

    def _bounded_links(self, links: Sequence[Link]) -> Sequence[Link]:
        most = self._limits.max_links
        return links if most is None or len(links) <= most else BoundedList.from_seq(most, links)


#: Ours, or the tracer of an app's own provider.
SpanMaker: TypeAlias = FinishedTracer | Tracer


class _OpenSpan(NonRecordingSpan):
    """A span that has begun; events, exceptions and new names are not for ours."""

    def __init__(self, tracer: FinishedTracer, head: tuple[Any, ...], attributes: dict[str, Any]) -> None:
        super().__init__(head[1])
        self._tracer: FinishedTracer | None = tracer
        self._head = head
        self._attributes = attributes
        self._status = _UNSET

    def is_recording(self) -> bool:
        return self._tracer is not None

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self._attributes.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self._attributes[key] = value

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self._status = status if isinstance(status, Status) else Status(status, description)

    def end(self, end_time: int | None = None) -> None:
        tracer, self._tracer = self._tracer, None
        if tracer is not None:
            tracer.finish(self._head, self._attributes, self._status, end_time)
