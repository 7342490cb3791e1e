"""A real OTLP receiver for tests, over gRPC or HTTP/protobuf, on a free port of loopback."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable, Iterable
from concurrent import futures
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

Protocol = Literal["grpc", "http/protobuf"]


@dataclass(frozen=True)
class Link:
    """What a span points at."""

    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Span:
    """One span as it came over the wire; ids in hex, an absent parent is empty."""

    name: str
    kind: str
    """`INTERNAL`, `SERVER`, `CLIENT`, …"""
    trace_id: str
    span_id: str
    parent_span_id: str
    start_ns: int
    end_ns: int
    status: str
    """`UNSET`, `OK` or `ERROR`."""
    status_message: str
    scope: str
    attributes: dict[str, Any] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    resource: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One data point of a metric as it came over the wire."""

    name: str
    unit: str
    kind: str
    """`sum`, `gauge` or `histogram`."""
    value: float
    """A histogram's is its sum."""
    count: int = 0
    """Of a histogram."""
    bounds: tuple[float, ...] = ()
    """Of a histogram."""
    is_monotonic: bool = False
    time_ns: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)


class OTLPReceiver:
    """Takes spans and metrics in until it is closed. Thread-safe.

    `endpoint` is a value for `OTEL_EXPORTER_OTLP_ENDPOINT`, `protocol` one for `OTEL_EXPORTER_OTLP_PROTOCOL`.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self._changed = threading.Condition()
        self._spans: list[Span] = []
        self._metrics: list[Point] = []
        self._server: _GRPCServer | _HTTPServer
        self._server = _GRPCServer(self) if protocol == "grpc" else _HTTPServer(self)
        self.endpoint = f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> OTLPReceiver:  # noqa: PYI034 (typing.Self came with Python 3.11)
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    @property
    def environment(self) -> dict[str, str]:
        """The `OTEL_*` variables that make a process export to here."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
        }

    def spans(self, name: str | None = None) -> list[Span]:
        """The spans so far, in the order of arrival; with `name` only those."""
        with self._changed:
            return [span for span in self._spans if name in (None, span.name)]

    def metrics(self, name: str | None = None) -> list[Point]:
        """The data points so far, in the order of arrival; with `name` only those."""
        with self._changed:
            return [point for point in self._metrics if name in (None, point.name)]

    def wait_for(self, predicate: Callable[[OTLPReceiver], object], seconds: float = 10.0) -> bool:
        """Wait until `predicate(self)` is true; it is tried anew whenever something arrives."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: predicate(self), seconds))

    def take_traces(self, request: trace_service_pb2.ExportTraceServiceRequest) -> None:
        """Add the spans of one export."""
        spans = [
            _span(span, scoped.scope.name, _attributes(batch.resource.attributes))
            for batch in request.resource_spans
            for scoped in batch.scope_spans
            for span in scoped.spans
        ]
        with self._changed:
            self._spans += spans
            self._changed.notify_all()

    def take_metrics(self, request: metrics_service_pb2.ExportMetricsServiceRequest) -> None:
        """Add the data points of one export."""
        points = [
            point
            for batch in request.resource_metrics
            for scoped in batch.scope_metrics
            for metric in scoped.metrics
            for point in _points(metric, _attributes(batch.resource.attributes))
        ]
        with self._changed:
            self._metrics += points
            self._changed.notify_all()


class _GRPCServer:
    def __init__(self, receiver: OTLPReceiver) -> None:
        class Traces(trace_service_pb2_grpc.TraceServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                receiver.take_traces(request)
                return trace_service_pb2.ExportTraceServiceResponse()

        class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                receiver.take_metrics(request)
                return metrics_service_pb2.ExportMetricsServiceResponse()

        self._server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), self._server)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def close(self) -> None:
        self._server.stop(grace=None).wait()


class _HTTPServer:
    def __init__(self, receiver: OTLPReceiver) -> None:
        class Handler(_Handler):
            pass

        Handler.receiver = receiver
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    receiver: OTLPReceiver

    def do_POST(self) -> None:
        body = _decoded(self.rfile.read(int(self.headers["content-length"])), self.headers)
        if self.path == "/v1/traces":
            self.receiver.take_traces(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
        elif self.path == "/v1/metrics":
            self.receiver.take_metrics(metrics_service_pb2.ExportMetricsServiceRequest.FromString(body))
        self.send_response(200 if self.path in ("/v1/traces", "/v1/metrics") else 404)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class names it)
        """Stay silent."""


def _decoded(body: bytes, headers: Any) -> bytes:
    encoding = headers.get("content-encoding", "")
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body


def _span(span: WireSpan, scope: str, resource: dict[str, Any]) -> Span:
    return Span(
        name=span.name,
        kind=WireSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        status_message=span.status.message,
        scope=scope,
        attributes=_attributes(span.attributes),
        links=tuple(Link(link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        resource=resource,
    )


def _points(metric: Metric, resource: dict[str, Any]) -> list[Point]:
    kind = metric.WhichOneof("data") or "empty"
    data = getattr(metric, kind)
    return [
        Point(
            name=metric.name,
            unit=metric.unit,
            kind=kind,
            value=_number(point, kind),
            count=getattr(point, "count", 0),
            bounds=tuple(getattr(point, "explicit_bounds", ())),
            is_monotonic=getattr(data, "is_monotonic", False),
            time_ns=point.time_unix_nano,
            attributes=_attributes(point.attributes),
            resource=resource,
        )
        for point in data.data_points
    ]


def _number(point: Any, kind: str) -> float:
    return float(point.sum if kind == "histogram" else getattr(point, point.WhichOneof("value")))


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    return getattr(value, kind) if kind else None
