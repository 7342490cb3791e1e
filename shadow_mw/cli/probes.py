"""What `shadow-mw check` tries: targets, queue, store, comparator, OTLP; no prediction is asked for."""

from __future__ import annotations

import functools
import os
import socket
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from shadow_mw.assembly.stores import reach
from shadow_mw.cli.caps_probe import probe_caps
from shadow_mw.cli.finding import Finding
from shadow_mw.cli.model_probe import probe_model
from shadow_mw.cli.queue_probe import probe_queue
from shadow_mw.cli.target_probe import probe_target
from shadow_mw.compare.choice import Comparators
from shadow_mw.exceptions import SettingsError, ShadowMWError, StoreError
from shadow_mw.settings import Settings
from shadow_mw.store_urls import is_url, shown
from shadow_mw.stores.layout import Layout
from shadow_mw.targets import Target
from shadow_mw.telemetry.exporters import Signal, exporter_names, open_exporters

_LONGEST_PROBE_SECONDS = 10.0
_SIGNALS: tuple[Signal, ...] = ("traces", "metrics")
_OTLP_DEFAULT = "http://localhost:4317"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_GRPC_PORT = 4317


def probe_all(settings: Settings) -> list[Finding]:
    """Try everything that the settings and the `OTEL_*` variables name."""
    deadline_seconds = min(settings.timeout_seconds, _LONGEST_PROBE_SECONDS)
    findings = anyio.run(_probe_targets, settings, deadline_seconds)
    findings.extend(probe_queue(settings, deadline_seconds))
    findings.extend(probe_caps(settings))
    findings.append(probe_store(settings.store))
    findings.append(probe_comparator(settings))
    findings.extend(_probe_otlp(deadline_seconds))
    return findings


async def _probe_targets(settings: Settings, deadline_seconds: float) -> list[Finding]:
    """Try all targets side by side; the findings in the order of the targets."""
    findings: dict[str, list[Finding]] = {}

    async def probe(target: Target) -> None:
        if target.is_python:
            findings[target.name] = await probe_model(target, settings)
        else:
            findings[target.name] = [await probe_target(target, settings.target_networks, deadline_seconds)]

    async with anyio.create_task_group() as group:
        for target in settings.targets:
            group.start_soon(probe, target)
    return [finding for target in settings.targets for finding in findings[target.name]]


def probe_store(store: str) -> Finding:
    """Create and remove a file where the store's segments go."""
    if store == "none":
        return Finding(True, "store: none, so no records are kept")
    if is_url(store):
        return _probe_server(store)
    folder = Path(store).absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".shadow-mw-check-") as probe:
            probe.write(b"probe")
            probe.flush()
            _refuse_foreign(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding(
            False,
            f"store {folder} cannot be written ({reason}): make it writable, or point SHADOW_STORE elsewhere",
        )
    except StoreError as error:
        return Finding(False, f"store: {error}")
    return Finding(True, f"store {folder} can be written")


def _probe_server(store: str) -> Finding:
    try:
        reach(store)
    except (StoreError, SettingsError) as error:
        return Finding(False, str(error))
    return Finding(True, f"store {shown(store)} lets us in")


def _refuse_foreign(folder: Path) -> None:
    """A folder that holds anything must be a store of this version."""
    if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
        Layout(folder).check()


def probe_comparator(settings: Settings) -> Finding:
    """Build the comparator; one given as `python:module:function` is imported from here, as uvicorn does."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        Comparators(settings.compare, rtol=settings.rtol, atol=settings.atol, ignore=settings.ignore)
    except ShadowMWError as error:
        return Finding(False, str(error))
    finally:
        sys.path.pop(0)
    return Finding(True, f"comparator {settings.compare}")


def _probe_otlp(deadline_seconds: float) -> list[Finding]:
    """Set the exporters up as the worker would, then try each endpoint once."""
    names = {signal: exporter_names(signal) for signal in _SIGNALS}
    if not any(names.values()):
        return [Finding(True, "OTLP: no OTEL_* variable names an endpoint, so no spans and metrics are sent")]
    try:
        for signal in _SIGNALS:
            for exporter in open_exporters(signal):
                exporter.shutdown()
    except SettingsError as error:
        return [Finding(False, f"OTLP: {error}")]
    variables = {_endpoint_variable(signal) for signal in _SIGNALS if "otlp" in names[signal]}
    return [
        probe_otlp(variable, os.environ.get(variable) or _OTLP_DEFAULT, deadline_seconds)
        for variable in sorted(variables)
    ]


def _endpoint_variable(signal: Signal) -> str:
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    return own if os.environ.get(own) else "OTEL_EXPORTER_OTLP_ENDPOINT"


def probe_otlp(name: str, endpoint: str, deadline_seconds: float) -> Finding:
    """Open and close a TCP connection to an OTLP endpoint."""
    try:
        host, port = _address(endpoint)
    except ValueError as error:
        return Finding(False, f"OTLP: {name} is not a URL ({error}): write http://host:4317")
    where = f"OTLP endpoint {host}:{port} ({name})"
    connect = functools.partial(socket.create_connection, (host, port), timeout=deadline_seconds)
    try:
        connect().close()
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding(False, f"{where} cannot be reached ({reason}): start the collector, or correct {name}")
    return Finding(True, f"{where} accepts connections")


def _address(endpoint: str) -> tuple[str, int]:
    """Host and port, without the credentials that a URL may carry."""
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    if not parts.hostname:
        raise ValueError("it names no host")
    return parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme, _GRPC_PORT)
