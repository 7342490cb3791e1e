"""Exporters: where spans and metrics go, by the standard `OTEL_*` variables."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import Any, Literal, TypeAlias

from shadow_mw.exceptions import SettingsError

Signal: TypeAlias = Literal["traces", "metrics"]

_PROTOCOLS = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


def open_exporters(signal: Signal) -> list[Any]:
    """The exporters that the environment asks for; none unless it names an endpoint or an exporter.

    The specification's default (`localhost:4317`) is not taken: a laptop without a collector would log a
    failure for every batch.

    Raises:
        SettingsError: a variable names what does not exist, or an exporter refuses its variables.

    """
    return [_open(signal, name) for name in exporter_names(signal)]


def exporter_names(signal: Signal) -> list[str]:
    """The names in `OTEL_TRACES_EXPORTER` or `OTEL_METRICS_EXPORTER`, or `otlp` where an endpoint is set."""
    if _value("OTEL_SDK_DISABLED").lower() == "true":
        return []
    names = [name.strip() for name in _value(f"OTEL_{signal.upper()}_EXPORTER").split(",")]
    if not any(names):
        names = ["otlp"] if _has_endpoint(signal) else []
    return [name for name in dict.fromkeys(names) if name and name.lower() != "none"]


def _has_endpoint(signal: Signal) -> bool:
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    return bool(_value("OTEL_EXPORTER_OTLP_ENDPOINT") or _value(own))


def _open(signal: Signal, name: str) -> Any:
    entry = _protocol(signal) if name == "otlp" else name
    group = f"opentelemetry_{signal}_exporter"
    found = next(iter(entry_points(group=group, name=entry)), None)
    if found is None:
        known = ", ".join(sorted({"otlp", "none", *entry_points(group=group).names}))
        raise SettingsError(f"OTEL_{signal.upper()}_EXPORTER: {name!r} is not installed here, use {known}")
    try:
        return found.load()()
    except Exception as error:
        raise SettingsError(
            f"the {signal} exporter {name!r} refuses its OTEL_* variables: {error}"
        ) from error


def _protocol(signal: Signal) -> str:
    own, common = f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
    variable = own if _value(own) else common
    protocol = _value(variable) or "grpc"
    if protocol not in _PROTOCOLS:
        raise SettingsError(f"{variable}: {protocol!r} is not supported, use {' or '.join(_PROTOCOLS)}")
    return _PROTOCOLS[protocol]


def _value(variable: str) -> str:
    return os.environ.get(variable, "").strip()
