"""The table of what is measured: one production process a variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Variant:
    """One way to serve the predict call.

    In the values of `environment` `{side}` is the address of the shadow and collector, `{name}` the
    variant's name, `{folder}` a folder of its own and `{kafka}` the queue of a broker's topic.
    """

    name: str
    app: str
    """The function in `production.py` that makes the app."""
    describes: str
    environment: Mapping[str, str] = field(default_factory=dict)
    mirrored_share: float = 0.0
    """The share of requests that the shadow must see; anything else is reported."""
    server: str = "uvicorn"
    """uvicorn or gunicorn; behind a proxy it is the base's own process that serves."""
    base: str = "bare"
    """The variant that this one is measured against, in the same round."""
    proxy: str = ""
    """A proxy in front of the base, by its name in `proxies.py`."""
    mirror: str = ""
    """Where the proxy mirrors to."""
    patience: str = ""
    """How long the proxy waits for the shadow, in its own words."""
    without: str = ""
    """The variant with the same proxy and no mirroring, which this one is measured against too."""
    has_broker: bool = False
    """Whether a broker and a worker of its own stand behind it."""
    connections: int = 64
    """How many connections the load generator keeps open."""
    rest_seconds: float = 0.0
    """How long the shadow still works after the turn."""


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
BARE_AGAIN = Variant("bare-again", "bare", "the same app in a second process: what differs here is noise")
PROCESS = Variant(
    "process",
    "mirrored",
    "ShadowMiddleware, everything mirrored, queue process: (the default), store and spans on",
    {**_SHADOW, **_ALL, **_PROCESS},
    mirrored_share=1.0,
)
PROCESS_SLOW = Variant(
    "process-slow",
    "mirrored",
    "the same, the shadow takes 2 s",
    {**_targets("{side}/slow/{name}"), **_ALL, **_PROCESS},
)
PROCESS_DOWN = Variant(
    "process-down",
    "mirrored",
    "the same, nobody listens where the shadow should be",
    {**_targets("http://127.0.0.1:9"), **_ALL, **_PROCESS},
)
FASTAPI = (
    BARE,
    BARE_AGAIN,
    Variant(
        "rate-0",
        "mirrored",
        "ShadowMiddleware, SHADOW_SAMPLE_RATE=0",
        {**_SHADOW, **_ALL, **_PROCESS, "SHADOW_SAMPLE_RATE": "0"},
    ),
    PROCESS,
    PROCESS_SLOW,
    PROCESS_DOWN,
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


def _flask(name: str, app: str, describes: str, **more: Any) -> Variant:
    # gthread keeps a thread waiting on each new connection for a while: so there are as many as threads.
    return Variant(name, app, describes, server="gunicorn", base="flask-bare", connections=16, **more)


FLASK = (
    _flask("flask-bare", "bare", "the Flask app alone under gunicorn gthread"),
    _flask("flask-again", "bare", "the same app in a second process: what differs here is noise"),
    _flask(
        "flask-process",
        "mirrored",
        "ShadowWSGIMiddleware, everything mirrored, queue process: (the default), store and spans on",
        environment={**_SHADOW, **_ALL, **_PROCESS},
        mirrored_share=1.0,
    ),
    _flask(
        "flask-slow",
        "mirrored",
        "the same, the shadow takes 2 s",
        environment={**_targets("{side}/slow/{name}"), **_ALL, **_PROCESS},
    ),
    _flask(
        "flask-pool",
        "thread_pool",
        "no shadow_mw: a pool of threads, a requests session, JSON compare, a pair of spans",
        environment={"BENCHMARK_SHADOW": "{side}/shadow/{name}", **_SPANS},
        mirrored_share=1.0,
    ),
)


def _proxied(kind: str) -> tuple[Variant, ...]:
    def variant(name: str, describes: str, mirror: str = "", **more: Any) -> Variant:
        return Variant(f"{kind}{name}", "", describes, proxy=kind, mirror=mirror, **more)

    return (
        variant("", f"{kind} in front of the bare app, no mirroring"),
        variant(
            "-mirror",
            f"{kind} mirrors everything",
            "{side}/shadow/{name}",
            mirrored_share=1.0,
            without=kind,
        ),
        variant(
            "-slow", "the same, the shadow takes 2 s", "{side}/slow/{name}", without=kind, rest_seconds=2.5
        ),
        variant(
            "-down", "the same, nobody listens where the shadow should be", "http://127.0.0.1:9", without=kind
        ),
    )


NETWORK = (
    BARE,
    PROCESS,
    PROCESS_SLOW,
    *_proxied("nginx"),
    Variant(
        "nginx-slow-cut",
        "",
        "nginx mirrors everything, the shadow takes 2 s, nginx waits 100 ms for it",
        proxy="nginx",
        mirror="{side}/slow/{name}",
        patience="100ms",
        without="nginx",
        rest_seconds=2.5,
    ),
    *_proxied("envoy"),
)

BROKER = (
    BARE,
    BARE_AGAIN,
    PROCESS,
    Variant(
        "kafka",
        "mirrored",
        "ShadowMiddleware, everything mirrored, queue kafka:, a worker with store and spans behind it",
        {**_SHADOW, **_ALL, "SHADOW_QUEUE": "{kafka}"},
        mirrored_share=1.0,
        has_broker=True,
    ),
)

#: What can be run alone.
PARTS = {"fastapi": FASTAPI, "flask": FLASK, "network": NETWORK, "broker": BROKER}
ALL = {variant.name: variant for part in PARTS.values() for variant in part}


def chosen(parts: Iterable[str], names: Iterable[str]) -> list[Variant]:
    """The variants of these parts, or of these names and what they are measured against.

    Raises:
        SystemExit: there is no variant of that name.

    """
    wanted = [*names] or [variant.name for part in parts for variant in PARTS[part]]
    if unknown := sorted({*wanted} - {*ALL}):
        raise SystemExit(f"no variant {', '.join(unknown)}: there are {', '.join(ALL)}")
    with_bases = {*wanted, *(other for name in wanted for other in (ALL[name].base, ALL[name].without))}
    return [variant for variant in ALL.values() if variant.name in with_bases]
