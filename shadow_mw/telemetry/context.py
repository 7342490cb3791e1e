"""Trace context on the request path: which span production's request runs under, and who is a shadow's.

Imports the OpenTelemetry API only, never the SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from opentelemetry import trace
from opentelemetry.trace import SpanContext, SpanKind

from shadow_mw.boundary import Guard

#: The mark that a shadow's request carries (W3C Baggage); what carries it is never mirrored again.
MARK = "shadow_mw.role=shadow"

_ROLE, _, _SHADOW = MARK.partition("=")
_FLASK_SPAN = "opentelemetry-flask.span_key"
_PLACE = ("service.name", "host.id", "host.ip", "host.name", "ip")
_ASGI_CHILDREN = (" http receive", " http send")
_guard = Guard("reading the current span")


def current_parent() -> tuple[str, str]:
    """The server span that is current, as (traceparent, tracestate), or two empty texts. Never raises.

    Where OpenTelemetry's ASGI middleware sits inside of ours, it calls our `receive` and `send` in short
    INTERNAL spans of its own; then the parent of such a span is the server span.
    """
    try:
        span: Any = trace.get_current_span()
        if span is trace.INVALID_SPAN:
            return "", ""
        context = span.get_span_context()
        return as_text(_server_of(span) or context) if context.is_valid else ("", "")
    except Exception as error:  # noqa: BLE001 the guard's own boundary
        _guard.note(error)
        return "", ""


def server_parent(environ: Mapping[str, Any]) -> tuple[str, str]:
    """The server span of a WSGI request, as `current_parent` gives it. Never raises.

    OpenTelemetry for Flask starts it inside of the app and leaves it in the environ.
    """
    with _guard:
        span: Any = environ.get(_FLASK_SPAN)
        if span is not None and span.get_span_context().is_valid:
            return as_text(span.get_span_context())
    return current_parent()


def provided_resource() -> dict[str, str] | None:
    """Service and host of a tracer provider that the app has set up in code, or None. Never raises.

    The host is there by `host.id`, `host.ip`, `host.name` and `ip`, as far as the provider tells them:
    Jaeger takes spans whose hosts differ for spans by two clocks.
    """
    with _guard:
        resource: Any = getattr(trace.get_tracer_provider(), "resource", None)
        if resource is None:
            return None
        told = {name: resource.attributes.get(name) for name in _PLACE}
        return {name: _first(value) for name, value in told.items() if value}
    return None


def as_text(context: SpanContext) -> tuple[str, str]:
    """A valid span context as `traceparent` and `tracestate` (W3C Trace Context, sections 3.2 and 3.3)."""
    traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 0xFF:02x}"
    return traceparent, context.trace_state.to_header() if context.trace_state else ""


def is_marked(baggage: str) -> bool:
    """True when a `baggage` header carries the mark of a shadow's request (W3C Baggage, section 3)."""
    if _ROLE not in baggage:
        return False
    members = (member.partition(";")[0].partition("=") for member in baggage.split(","))
    return any(key.strip() == _ROLE and unquote(value.strip()) == _SHADOW for key, _, value in members)


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, tuple) else value)


def _server_of(span: Any) -> SpanContext | None:
    # Only the SDK's spans tell their kind, name and parent; the API's non-recording ones do not.
    if getattr(span, "kind", None) is not SpanKind.INTERNAL:
        return None
    name, parent = getattr(span, "name", None), getattr(span, "parent", None)
    if not isinstance(name, str) or not name.endswith(_ASGI_CHILDREN):
        return None
    return parent if isinstance(parent, SpanContext) and parent.is_valid else None
