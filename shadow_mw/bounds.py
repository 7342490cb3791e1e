"""Settings of the bounds within which shadows are asked."""

from __future__ import annotations

from typing import Literal

from pydantic import ByteSize, Field

from shadow_mw.configuration import Configuration
from shadow_mw.values import Size


class BoundSettings(Configuration):
    """How long, how many and how much: what a shadow may take at most. Immutable."""

    timeout_seconds: float = Field(
        5.0, gt=0.0, le=3600.0, description="The deadline of one whole shadow call, in seconds."
    )
    max_concurrency: int = Field(
        8, ge=1, le=1024, description="How many calls to one shadow may be under way at once."
    )
    replicas: int = Field(
        1,
        ge=1,
        le=64,
        description="How many processes a `python:` target runs in, each of which takes one call at a time.",
    )
    queue_size: int = Field(
        1000,
        ge=1,
        description="How many exchanges may be held at once, waiting or being asked; the newest is dropped "
        "and counted as `queue_full`.",
    )
    queue_bytes: Size = Field(
        ByteSize(64 * 2**20), description="How many bytes of bodies may be held at once, as in `64MiB`."
    )
    max_body_bytes: Size = Field(
        ByteSize(2**20),
        description="The largest request or response body that is mirrored, and the largest answer taken "
        "from a shadow; more is counted as `too_large`.",
    )
    max_age_seconds: float | None = Field(
        None,
        gt=0.0,
        description="The longest that an exchange may have waited before its shadow is asked; an older one "
        "is counted as `queue_full`. For workers behind a broker, which else work off whatever has gathered. "
        "Not set: no limit.",
    )
    breaker_failures: int = Field(
        5, ge=1, description="How many failures in a row open the circuit of a shadow."
    )
    breaker_reset_seconds: float = Field(
        30.0, gt=0.0, description="How long an open circuit stays open before one probe is let through."
    )
    adaptive_concurrency: bool = Field(
        False,
        description="`1` lets the number of calls under way follow what the shadow bears: between 1 and "
        "`SHADOW_MAX_CONCURRENCY`, by its latency. See [the governor](governor.md#adaptive-concurrency).",
    )
    max_added_seconds: float = Field(
        0.001,
        ge=0.0,
        le=60.0,
        description="How long our own code may usually take of a predict call, in seconds; above it, less is "
        "mirrored until it is right again. `0` sets no limit. See [the governor](governor.md).",
    )
    max_host_load: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        description="For what share of the time somebody may wait for a CPU (the kernel's pressure figure, "
        "0.0 to 1.0); above it, less is mirrored. Not set: no limit. See [the governor](governor.md).",
    )
    memory_bytes: Size | None = Field(
        None,
        description="The most memory that the mirror process may take, as in `512MiB`: data by RLIMIT_DATA, "
        "and all by a [cgroup](caps.md) where one is delegated. Each process of a `python:` target has the "
        "same cap of its own, for its resident memory too. Not set: no cap.",
    )
    cpu_seconds_per_second: float | None = Field(
        None,
        gt=0.0,
        le=64.0,
        description="The most CPU that the mirror process may use, in cores, and each process of a `python:` "
        "target: above it, the former reads nothing more and the latter is stopped until the average is "
        "right again. Not set: no cap, at the lowest priority all the same, and less where a CPU quota that "
        "is shared with production [runs out](caps.md#inside-a-cpu-quota).",
    )
    cgroup: str = Field(
        "auto",
        pattern=r"^(auto|off|/.+)$",
        description="Where the mirror process and those of `python:` targets get cgroups of their own "
        "(Linux, version 2): `auto` is the cgroup that was delegated to the app, if any; a folder as in "
        "`/sys/fs/cgroup/shadows`; or `off`. See [caps](caps.md).",
    )
    sandbox: Literal["strict", "best-effort", "off"] = Field(
        "best-effort",
        description="What is taken from the processes of `python:` targets, network, writing and other "
        "processes first: `best-effort` takes what the platform lets it take, `strict` does not ask the "
        "model where a promise can't be kept, `off` takes nothing. See [the sandbox]"
        "(python-shadows.md#the-sandbox).",
    )
    drain_seconds: float = Field(
        5.0,
        ge=0.0,
        le=300.0,
        description="How long a stopping app may wait for shadows, records and spans that are under way.",
    )
