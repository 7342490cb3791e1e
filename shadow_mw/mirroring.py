"""Settings of mirroring: what is asked, recorded and shown, and within which bounds."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import ByteSize, Field, field_validator, model_validator

from shadow_mw.bounds import BoundSettings
from shadow_mw.choices import parse_choices, strangers
from shadow_mw.networks import refusal
from shadow_mw.privacy import PrivacySettings
from shadow_mw.queue_urls import is_broker
from shadow_mw.records import Mode
from shadow_mw.targets import Target
from shadow_mw.values import (
    CONTROL,
    ComparatorNames,
    Control,
    ListenAddress,
    Names,
    Networks,
    Path,
    QueueName,
    Routes,
    Segments,
    Size,
    StoreName,
    Targets,
)

_DEFAULT_QUEUE = "process:" if os.name == "posix" else "inline:"


class MirroringSettings(PrivacySettings, BoundSettings):
    """The settings that an app and its worker follow. Immutable."""

    enabled: bool = Field(True, description="`0` turns mirroring off and leaves the line in the code.")
    targets: Targets = Field(
        (),
        description="The shadows: one URL, or `name=URL, name=URL`. Without a path the URL takes the "
        "path of the request. A callable in Python is `name=python:module:attribute`. With no target the "
        "middleware is inert and says so in one log line.",
    )
    target_networks: Networks = Field(
        (),
        description="The networks in which shadows may be, as in `10.0.0.0/8, fd00::/8`. An address "
        "elsewhere is refused at the start, and a name that means one at each connection: "
        "`ShadowAddressRefused`. Not set: anywhere but where clouds keep credentials.",
    )
    routes: Routes = Field(
        (),
        description="The predict routes: `POST /predict, POST /v1/models/{name}:predict`. "
        "Needed as soon as there is a target.",
    )
    control: Control = Field(
        None,
        description="A second copy of production, whose differences from production are noise: its URL, or "
        "`self` to ask production itself once more. A small share of the exchanges goes there too, and a "
        "shadow is held to what it differs more. Not set: no control.",
    )
    control_rate: float = Field(
        0.02, gt=0.0, le=1.0, description="The share of mirrored exchanges that the control is asked too."
    )
    control_routes: Routes = Field(
        (),
        description="The routes on which the control may be asked; empty is all of `SHADOW_ROUTES`. `self` "
        "needs them: name those that may safely be asked twice.",
    )
    mode: Mode = Field(
        "async",
        description="`async` asks the shadow after production has answered; `sync` asks it the moment the "
        "request is complete, beside production, for true latency. The caller waits for it in neither.",
    )
    queue: QueueName = Field(
        _DEFAULT_QUEUE,
        description="Where the worker runs: `process:` (a process of its own, one a host, shared by all the "
        "app's server processes; the default on POSIX), `inline:` (a thread of the app), or where you start "
        "it with `shadow-mw worker`: `unix:///path/of.sock` (on the same host), "
        "`kafka://BROKER:9092,BROKER2:9092/TOPIC` or `sqs://REGION/NAME` (or the queue's URL).",
    )
    sqs_endpoint_url: str = Field(
        "",
        pattern=r"^$|^https?://[^\s/@]+/?$",
        description="Where SQS and S3 are asked instead of at Amazon's, as in `http://localhost:4566`.",
    )
    sqs_bucket: str = Field(
        "",
        pattern=r"^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="The S3 bucket for exchanges that are too large for a message of SQS. Not set: they are "
        "counted as `too_large`.",
    )
    sample_rate: float = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="The share of predict calls to mirror, 0.0 to 1.0, decided by the request id.",
    )
    prediction: Path = Field(
        "", description="JMESPath to the prediction inside a response body; empty is the whole body."
    )
    features: Path = Field(
        "", description="JMESPath to the features inside a request body; empty is the whole body."
    )
    compare: ComparatorNames = Field(
        "auto",
        description="When predictions agree: `auto` (picked by their shape), `exact`, `close` (numbers "
        "within `SHADOW_RTOL` and `SHADOW_ATOL`), `label` (the top label), `top_k(5)`, `proba(0.05)`, "
        "`vector(0.99)`, `text(0.9)` or `python:module:function`; or one for each route, as in "
        "`POST /predict=label, *=close`.",
    )
    rtol: float = Field(1e-5, ge=0.0, description="Relative tolerance of `close`.")
    atol: float = Field(1e-8, ge=0.0, description="Absolute tolerance of `close`.")
    ignore: Names = Field(
        (),
        description="Paths inside the prediction that never count as a difference: "
        "`id, meta.created_at, items[*].id, **.timestamp`.",
    )
    segments: Segments = Field(
        "auto",
        description="The slices of the traffic that are looked at one by one: `auto` (the scalar fields of "
        "the features), `none`, or JMESPaths into the features, as in `country=user.country, user.age`.",
    )
    request_id_header: str = Field(
        "X-Request-ID",
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="The header that carries the request id.",
    )
    echo_request_id: bool = Field(
        False, description="`1` adds the request id to the responses of mirrored requests."
    )
    store: StoreName = Field(
        ".shadow",
        description="Where records are kept: the folder of the embedded store, `postgresql://…`, "
        "`clickhouse://…`, or `none` for no records.",
    )
    store_bytes: Size = Field(
        ByteSize(2**30), description="The size cap of the embedded store; its oldest records go first."
    )
    production_version: str = Field(
        "",
        max_length=64,
        description="Which version of its model production runs, as in `2026-11-02`. It stands in every "
        "record, and a new one begins the count of agreement anew. A shadow's version is its name.",
    )
    record_chars: int = Field(
        8192, ge=0, description="The longest features or prediction text in a record; the rest is cut."
    )
    trace: Literal["same", "linked"] = Field(
        "same",
        description="`same` shows both predictions in production's trace; `linked` gives the shadow's a "
        "trace of its own with a link.",
    )
    worker_listen: ListenAddress = Field(
        "",
        description="Where `shadow-mw worker` answers `/healthz`, `/readyz` and `/metrics`, as in "
        "`127.0.0.1:9464`. Not set: nowhere.",
    )

    @field_validator("targets")
    @classmethod
    def _names_differ(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        names = [target.name for target in targets]
        if len(set(names)) < len(names):
            raise ValueError("two shadows have the same name: write name=URL, name=URL")
        if CONTROL in names:
            raise ValueError(f"no shadow can be called {CONTROL}: that is production's own twin")
        return targets

    @model_validator(mode="after")
    def _complete(self) -> MirroringSettings:
        if self.targets and not self.routes:
            raise ValueError("SHADOW_ROUTES is not set: name the predict route, as in 'POST /predict'")
        self._refuse_strange_routes()
        self._refuse_foreign_addresses()
        self._refuse_what_a_broker_cannot()
        if self.control is not None and self.control.is_self and not self.control_routes:
            raise ValueError(
                "SHADOW_CONTROL is self, and SHADOW_CONTROL_ROUTES is not set: name the routes that may "
                "safely be asked twice, as in 'POST /predict'"
            )
        least = 2 * self.max_body_bytes * max(len(self.targets) + (self.control is not None), 1)
        if self.queue_bytes < least:
            raise ValueError(
                f"SHADOW_QUEUE_BYTES is {self.queue_bytes}, too small for one exchange a shadow: "
                f"set it to {least} or more (twice SHADOW_MAX_BODY_BYTES for each target)"
            )
        return self

    def _refuse_what_a_broker_cannot(self) -> None:
        if not is_broker(self.queue):
            return
        if self.mode == "sync":
            raise ValueError(
                "SHADOW_MODE is sync, and a broker's worker asks the shadow later: set SHADOW_QUEUE to "
                "process:, inline: or unix:///path, or SHADOW_MODE=async"
            )
        if self.control is not None and self.control.is_self:
            raise ValueError(
                "SHADOW_CONTROL is self, and a broker's worker may run on another host: name production's URL"
            )

    def _refuse_foreign_addresses(self) -> None:
        for target in (*self.targets, *([self.control] if self.control else [])):
            if target.address and (why := refusal(target.address, self.target_networks)):
                raise ValueError(
                    f"the shadow {target.name} at {target.url} is at {why}: correct one of the two"
                )

    def _refuse_strange_routes(self) -> None:
        unknown = strangers(parse_choices(self.compare), map(str, self.routes))
        if self.routes and unknown:
            known = ", ".join(map(str, self.routes))
            raise ValueError(f"SHADOW_COMPARE names {unknown[0]}, which is not in SHADOW_ROUTES: {known}")
