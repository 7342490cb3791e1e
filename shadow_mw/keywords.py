"""The settings as keyword arguments, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from shadow_mw.records import Mode


class Keywords(TypedDict, total=False):
    """Every setting by its name in lower case without the prefix, as `Settings` explains it; and `shadow`."""

    enabled: bool
    targets: str | Sequence[str]
    target_networks: str | Sequence[str]
    routes: str | Sequence[str]
    control: str | None
    control_rate: float
    control_routes: str | Sequence[str]
    mode: Mode
    queue: str
    sqs_endpoint_url: str
    sqs_bucket: str
    encryption_keys: str
    sample_rate: float
    timeout_seconds: float
    max_concurrency: int
    adaptive_concurrency: bool
    max_added_seconds: float
    max_host_load: float | None
    replicas: int
    queue_size: int
    queue_bytes: int | str
    max_body_bytes: int | str
    max_age_seconds: float | None
    breaker_failures: int
    breaker_reset_seconds: float
    prediction: str
    features: str
    compare: str | Sequence[str]
    rtol: float
    atol: float
    ignore: str | Sequence[str]
    segments: str | Sequence[str]
    redact: str | Sequence[str]
    redact_request: str | Sequence[str]
    redact_key: str
    capture: str | Sequence[str]
    forward_headers: str | Sequence[str]
    request_id_header: str
    echo_request_id: bool
    store: str
    store_bytes: int | str
    retention_days: float
    production_version: str
    record_chars: int
    trace: Literal["same", "linked"]
    memory_bytes: int | str | None
    sandbox: Literal["strict", "best-effort", "off"]
    cpu_seconds_per_second: float | None
    cgroup: str
    drain_seconds: float
    worker_listen: str
    gate_min_agreement: float
    gate_max_latency_ratio: float
    gate_max_error_increase: float
    gate_min_coverage: float
    gate_confidence: float
    gate_min_samples: int
    gate_max_segment_disagreement: float | None
    trace_ui: str
    dashboard_token: str
    shadow: Callable[[Any], Any] | Mapping[str, Callable[[Any], Any]]
    """In code only: a model to ask on threads of the app, or several by name; implies `queue="inline:"`."""
