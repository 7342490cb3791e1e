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
import httpx

from shadow_mw.assembly.stores import reach
from shadow_mw.cli.finding import Finding
from shadow_mw.cli.model_probe import probe_model
from shadow_mw.cli.queue_probe import probe_queue
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
            findings[target.name] = [await probe_target(target, deadline_seconds)]

    async with anyio.create_task_group() as group:
        for target in settings.targets:
            group.start_soon(probe, target)
    return [finding for target in settings.targets for finding in findings[target.name]]


async def probe_target(target: Target, deadline_seconds: float) -> Finding:
    """Send one marked OPTIONS request, to which any HTTP status is an answer."""
    where = f"target {target.name} at {target.url}"
    try:
        with anyio.fail_after(deadline_seconds):
            status = await _options(target)
    except (TimeoutError, httpx.TimeoutException):
        return Finding(
            False,
            f"{where} did not answer within {deadline_seconds:g} s: is it overloaded, or behind a firewall?",
        )
    except httpx.ConnectError as error:
        return Finding(False, f"{where} cannot be reached ({_cause(error)}): {_mend(error)}")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Finding(False, f"{where} does not speak HTTP ({_cause(error)}): check the port and the scheme")
    return Finding(True, f"{where} answers (status {status})")


async def _options(target: Target) -> int:
    headers = {"Shadow-Request": target.name}
    async with (
        # The caller's deadline is over the whole exchange; httpx's own are per read and connect.
        httpx.AsyncClient(timeout=_LONGEST_PROBE_SECONDS, trust_env=False, follow_redirects=False) as client,
        client.stream("OPTIONS", target.url, headers=headers) as response,
    ):
        return response.status_code


def _cause(error: BaseException) -> str:
    """What the operating system said at the bottom of the chain, else what the client said."""
    deepest = error
    while deepest.__cause__ or deepest.__context__:
        deepest = deepest.__cause__ or deepest.__context__ or deepest
    if isinstance(deepest, ConnectionError) and deepest.errno:
        return os.strerror(deepest.errno)  # asyncio puts a sentence of its own into `strerror`
    reason = deepest.strerror if isinstance(deepest, OSError) else ""
    return reason or str(error) or type(error).__name__


def _mend(error: httpx.ConnectError) -> str:
    text = f"{error} {_cause(error)}".lower()
    if "certificate" in text or "ssl" in text or "tls" in text:
        return "its certificate is not trusted, or it does not speak TLS; check https:// against http://"
    if "name or service" in text or "nodename" in text or "getaddrinfo" in text or "resolution" in text:
        return "its host name is unknown here; check the spelling in SHADOW_TARGETS"
    return "start the shadow, or correct SHADOW_TARGETS"


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
