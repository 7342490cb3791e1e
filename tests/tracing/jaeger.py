"""A real Jaeger that tests start for themselves, with the example's configuration, and its answers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from broker import free_ports
from process_tools import DEADLINE_SECONDS, until

from shadow_mw.telemetry import names

EXAMPLE = Path(__file__).parents[2] / "examples" / "jaeger"
HOW = "no Jaeger is installed; to run this: .ci/install-tracing"
_PORTS = ("16686", "16685", "4317", "4318", "5317", "5318")
_OURS = (names.SPAN_PRODUCTION, names.SPAN_SHADOW)


def program() -> Path | None:
    """Where Jaeger is installed, or None."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = sorted((cache / "shadow_mw").glob("jaeger-*/jaeger"))
    return found[-1] if found else None


@dataclass(frozen=True)
class Reference:
    """Which span another one points at, and how: `CHILD_OF` or `FOLLOWS_FROM`."""

    kind: str
    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Span:
    """One span as Jaeger's page gets it; times in microseconds."""

    name: str
    trace_id: str
    span_id: str
    references: tuple[Reference, ...]
    start_us: int
    duration_us: int
    tags: dict[str, Any]
    warnings: tuple[str, ...]
    process: dict[str, Any]

    @property
    def parent(self) -> str:
        """The id of the span that this one is a child of, or empty."""
        return next((one.span_id for one in self.references if one.kind == "CHILD_OF"), "")

    @property
    def end_us(self) -> int:
        return self.start_us + self.duration_us

    @property
    def is_server(self) -> bool:
        return self.tags.get("span.kind") == "server"


class Trace:
    """One trace as Jaeger's page gets it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.trace_id = str(told["traceID"])
        self.spans = [_span(span, told["processes"]) for span in told["spans"]]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    @property
    def production(self) -> Span:
        [span] = self.named(names.SPAN_PRODUCTION)
        return span

    @property
    def shadow(self) -> Span:
        [span] = self.named(names.SPAN_SHADOW)
        return span

    @property
    def servers(self) -> list[Span]:
        return [span for span in self.spans if span.is_server]

    @property
    def warnings(self) -> list[str]:
        """What Jaeger has against a span, with its name and its host."""
        return [f"{one.name} at {one.process}: {text}" for one in self.spans for text in one.warnings]

    @property
    def is_whole(self) -> bool:
        """True where no span's parent is missing."""
        ids = {span.span_id for span in self.spans}
        return all(not span.parent or span.parent in ids for span in self.spans)


class Jaeger:
    """A process of Jaeger with a configuration from the example, on free ports of loopback."""

    def __init__(self, folder: Path, config: str = "jaeger.yaml", **changes: str) -> None:
        """Start it without waiting; `changes` are texts of the configuration that stand for others."""
        found = program()
        assert found is not None, HOW
        folder.mkdir(parents=True, exist_ok=True)
        written = {text: str(free) for text, free in zip(_PORTS, free_ports(len(_PORTS)), strict=True)}
        self.ports = {int(port): int(free) for port, free in written.items()}
        text = (EXAMPLE / config).read_text()
        for old, new in {**changes, **written}.items():
            text = re.sub(rf"\b{re.escape(old)}\b", new, text)
        (folder / config).write_text(text)
        (folder / "ui.json").write_text((EXAMPLE / "ui.json").read_text())
        self._log = folder / "jaeger.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [found, "--config", config], cwd=folder, stdout=log, stderr=log, start_new_session=True
            )

    def __enter__(self) -> Jaeger:  # noqa: PYI034 (typing.Self came with Python 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(DEADLINE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.ports[16686]}"

    def environment(self, service: str, port: int = 4317) -> dict[str, str]:
        """The variables that make a process send its spans here, as the docs give them."""
        protocol = {4317: "grpc", 5317: "grpc"}.get(port, "http/protobuf")
        return {
            "OTEL_SERVICE_NAME": service,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.ports[port]}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    def wait(self, port: int = 16686) -> None:
        """Wait until it listens at a port of the configuration."""
        until(lambda: self._listens(self.ports[port]), lambda: f"port {port}: {self.log}")

    def page_text(self) -> str:
        """What a browser is handed, with the configuration in it."""
        return httpx.get(self.page, trust_env=False, timeout=DEADLINE_SECONDS).text

    def get(self, path: str, **parameters: str) -> Any:
        """Ask the query API."""
        answer = httpx.get(f"{self.page}{path}", params=parameters, trust_env=False, timeout=DEADLINE_SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def search(self, service: str, operation: str = "", limit: int = 100, **options: Any) -> list[Trace]:
        """The traces that a search on Jaeger's page finds; `tags` as a dict."""
        tags = {"tags": json.dumps(options["tags"])} if options.get("tags") else {}
        asked = {"service": service, "limit": str(limit), **tags}
        found = self.get("/api/traces", **asked, **({"operation": operation} if operation else {}))
        return [Trace(one) for one in found["data"]]

    def find(
        self, service: str, tags: dict[str, str], done: Callable[[list[Trace]], bool], **options: str
    ) -> list[Trace]:
        """Search until what is found is all that is to come."""
        found: list[Trace] = []

        def is_done() -> bool:
            found[:] = self.search(service, tags=tags, **options)
            return done(found)

        until(
            is_done, lambda: f"{tags} of {service}: {[[s.name for s in t.spans] for t in found]} {self.log}"
        )
        return found

    def whole(self, service: str, tags: dict[str, str], spans: int, traces: int = 1) -> list[Trace]:
        """Search until so many traces with so many of our and the server's spans in all are there."""

        def is_done(found: list[Trace]) -> bool:
            ours = sum(map(_counted, (span for trace in found for span in trace.spans)))
            return len(found) == traces and ours >= spans and all(trace.is_whole for trace in found)

        return self.find(service, tags, is_done)

    def _listens(self, port: int) -> bool:
        assert self._process.poll() is None, self.log
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0


def _counted(span: Span) -> bool:
    return span.name in _OURS or span.name.startswith(names.SPAN_EXCHANGE) or span.is_server


def _span(told: dict[str, Any], processes: dict[str, Any]) -> Span:
    process = processes[told["processID"]]
    return Span(
        name=told["operationName"],
        trace_id=told["traceID"],
        span_id=told["spanID"],
        references=tuple(
            Reference(one["refType"], one["traceID"], one["spanID"]) for one in told["references"]
        ),
        start_us=told["startTime"],
        duration_us=told["duration"],
        tags={tag["key"]: tag["value"] for tag in told["tags"]},
        warnings=tuple(told["warnings"] or ()),
        process={tag["key"]: tag["value"] for tag in process["tags"]},
    )
