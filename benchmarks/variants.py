"""The table of what is measured: one production process a variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Variant:
    """One way to serve the predict call.

    In the values of `environment` `{side}` is the address of the shadow and collector, `{name}` the
    variant's name and `{folder}` a folder of its own.
    """

    name: str
    app: str
    """The function in `production.py` that makes the app."""
    describes: str
    environment: Mapping[str, str] = field(default_factory=dict)
    mirrored_share: float = 0.0
    """The share of requests that the shadow must see; anything else is reported."""


_SHADOW = {
    "SHADOW_TARGETS": "shadow={side}/shadow/{name}",
    "SHADOW_ROUTES": "POST /predict",
}
_STORE = {"SHADOW_STORE": "{folder}/store"}
_NO_STORE = {"SHADOW_STORE": "none"}
# The delay is the one that shadow_mw sets for itself, so that every variant exports within its own turn.
_SPANS = {
    "OTEL_SERVICE_NAME": "benchmark",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{side}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_BSP_SCHEDULE_DELAY": "500",
}

_PROCESS = {"SHADOW_QUEUE": "process:"}
_INLINE = {"SHADOW_QUEUE": "inline:"}
_ALL = {**_STORE, **_SPANS}


def _targets(where: str) -> dict[str, str]:
    return {**_SHADOW, "SHADOW_TARGETS": f"shadow={where}"}


BARE = Variant("bare", "bare", "the app alone")
VARIANTS = (
    BARE,
    Variant("bare-again", "bare", "the same app in a second process: what differs here is noise"),
    Variant(
        "rate-0",
        "mirrored",
        "ShadowMiddleware, SHADOW_SAMPLE_RATE=0",
        {**_SHADOW, **_ALL, **_PROCESS, "SHADOW_SAMPLE_RATE": "0"},
    ),
    Variant(
        "process",
        "mirrored",
        "ShadowMiddleware, everything mirrored, queue process: (the default), store and spans on",
        {**_SHADOW, **_ALL, **_PROCESS},
        mirrored_share=1.0,
    ),
    Variant(
        "process-slow",
        "mirrored",
        "the same, the shadow takes 2 s",
        {**_targets("{side}/slow/{name}"), **_ALL, **_PROCESS},
    ),
    Variant(
        "process-down",
        "mirrored",
        "the same, nobody listens where the shadow should be",
        {**_targets("http://127.0.0.1:9"), **_ALL, **_PROCESS},
    ),
    Variant(
        "process-flood",
        "mirrored",
        "the same, at twice what the shadow can take",
        {**_targets("{side}/loaded/{name}"), **_ALL, **_PROCESS},
    ),
    Variant(
        "inline-plain",
        "mirrored",
        "everything mirrored, queue inline:, no store, no spans",
        {**_SHADOW, **_NO_STORE, **_INLINE},
        mirrored_share=1.0,
    ),
    Variant(
        "inline",
        "mirrored",
        "everything mirrored, queue inline:, store and spans on",
        {**_SHADOW, **_ALL, **_INLINE},
        mirrored_share=1.0,
    ),
    Variant(
        "background-task",
        "background_task",
        "no shadow_mw: BackgroundTask, shared httpx client, JSON compare, a pair of spans",
        {"BENCHMARK_SHADOW": "{side}/shadow/{name}", **_SPANS},
        mirrored_share=1.0,
    ),
)
