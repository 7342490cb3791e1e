"""The data that travels: captured exchanges, answers, comparisons, tallies. All immutable."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import msgspec

Mode: TypeAlias = Literal["async", "sync"]
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
Verdict: TypeAlias = Literal["agree", "disagree", "incomparable", "none"]
Role: TypeAlias = Literal["shadow", "control"]
#: How much of features or predictions is kept.
Kept: TypeAlias = Literal["full", "hash", "none"]

#: Where an eligible request can end; exactly one a shadow (design: closed books).
Bucket: TypeAlias = Literal[
    "compared",
    "incomparable",
    "shadow_error",
    "shadow_timeout",
    "circuit_open",
    "queue_full",
    "too_large",
    "production_error",
    "worker_lost",
]
#: Why a request to a predict route is left out by policy; counted beside the books.
Skip: TypeAlias = Literal["not_sampled", "governed", "loop", "request_incomplete"]

BUCKETS: tuple[Bucket, ...] = get_args(Bucket)
SKIPS: tuple[Skip, ...] = get_args(Skip)

SCHEMA_VERSION = 1


class CapturedRequest(msgspec.Struct, frozen=True, kw_only=True, tag="request"):
    """The request half of an exchange, complete, as it may leave the app."""

    exchange_id: str
    """Joins the halves of one exchange; unlike `request_id` it never repeats."""
    request_id: str
    ts_us: int
    """When the request was complete, in microseconds of Unix time."""
    method: str
    route: str
    """The pattern that matched, never the raw path."""
    path: str
    """The raw, percent-encoded path."""
    query: str = ""
    headers: Headers = ()
    """Lower-case names; only those that `SHADOW_FORWARD_HEADERS` lists."""
    body: bytes = b""
    traceparent: str = ""
    """The span under which both predictions are shown (W3C Trace Context), or empty."""
    tracestate: str = ""
    sample_rate: float = 1.0
    mode: Mode = "async"
    address: str = ""
    """Where production itself can be asked, as in `http://127.0.0.1:8000`, with the prefix that it is mounted
    under; empty unless the control is `self`."""
    service: str = ""
    """Whose request it is, where the worker is another's; empty for the worker's own service."""
    production_version: str = ""
    """As `service`: `SHADOW_PRODUCTION_VERSION` of the app, where the worker is another's."""


class CapturedResponse(msgspec.Struct, frozen=True, kw_only=True, tag="response"):
    """The response half of an exchange: what production did."""

    exchange_id: str
    seconds: float
    """From the complete request to the last byte of the response, by a monotonic clock."""
    status: int = 0
    """0 when the app raised before it answered."""
    headers: Headers = ()
    """Content type and encoding only."""
    body: bytes = b""
    is_body_captured: bool = True
    """False when the server sent the body by itself (`http.response.pathsend`)."""
    failure: str = ""
    """Why this is no prediction (an exception's name, a status, `disconnected`), or empty."""
    dropped: Bucket | None = None
    """Set when the body was lost to pressure after the shadow had been asked (sync mode)."""
    is_prediction: bool = False
    """As in `Answer`; for what is replayed from records."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True, tag="exchange"):
    """One production request and its response, as captured."""

    request: CapturedRequest
    response: CapturedResponse


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker carries: a sealed exchange or counts, with all that is known without opening it."""

    id: str
    """The exchange's own id; what comes twice has the same."""
    key: str
    """The request id; a broker keeps what has the same key together."""
    headers: dict[str, str]
    """Lower-case names, after the binary mode of CloudEvents: `ce_id`, `content-type`, `traceparent`, ….

    At most ten, since a message of SQS takes no more.
    """
    value: bytes


#: What goes through a queue: whole exchanges, or the halves of one in sync mode.
Message: TypeAlias = Exchange | CapturedRequest | CapturedResponse


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a shadow returned, not decoded yet."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    is_prediction: bool = False
    """True where the body is the prediction itself, so that `SHADOW_PREDICTION` has nothing to find in it."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one side did with a request: answered, or failed with a reason."""

    outcome: str
    """`answered`, `error`, `timeout`, `circuit_open` or `cancelled`."""
    seconds: float
    status: int = 0
    error_type: str = ""
    error: str = ""
    """A sentence on the failure, for a person."""
    headers: Headers = ()
    body: bytes = b""
    is_prediction: bool = False
    """As in `Answer`."""

    @property
    def is_answered(self) -> bool:
        """True when a prediction came back."""
        return self.outcome == "answered"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparator says of two predictions."""

    verdict: Verdict
    reason: str = ""
    """Why the predictions are incomparable, or empty."""
    delta: float | None = None
    """The distance between the predictions, in the comparator's own unit; None where it has none."""
    diff_paths: tuple[str, ...] = ()
    """Where they differ, at most 20 JSON paths."""
    production_label: str | None = None
    shadow_label: str | None = None
    production_score: float | None = None
    shadow_score: float | None = None
    items: int = 1
    """How many predictions the two answers hold: the rows of a batch, 1 for a single one."""
    items_agree: int | None = None
    """How many of them agree; None is all or none, by the verdict."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="comparison"):
    """The record of one exchange against one shadow. This is what is stored and shown."""

    schema_version: int = SCHEMA_VERSION
    record_id: str
    """UUIDv7, the key."""
    request_id: str
    trace_id: str = ""
    production_span_id: str = ""
    shadow_span_id: str = ""
    ts_us: int
    service: str = ""
    instance: str = ""
    route: str
    method: str
    shadow: str
    role: Role = "shadow"
    """`control` is production's own twin, whose differences are noise."""
    production_version: str = ""
    shadow_version: str = ""
    sample_rate: float = 1.0
    mode: Mode = "async"
    queue: str = ""
    bucket: Bucket
    outcome: str
    """The shadow's outcome."""
    error_type: str = ""
    error: str = ""
    production_outcome: str = "answered"
    production_error_type: str = ""
    production_status: int = 0
    shadow_status: int = 0
    production_us: int = 0
    shadow_us: int = 0
    queue_us: int = 0
    """How long the exchange waited before its shadow was asked."""
    comparator: str = ""
    verdict: Verdict = "none"
    reason: str = ""
    delta: float | None = None
    diff_paths: tuple[str, ...] = ()
    items: int = 0
    """How many predictions were compared: the rows of a batch, 1 for a single one, 0 without a verdict."""
    items_agree: int = 0
    production_label: str | None = None
    shadow_label: str | None = None
    production_score: float | None = None
    shadow_score: float | None = None
    segments: dict[str, str] = {}
    features: str = ""
    production_prediction: str = ""
    shadow_prediction: str = ""
    truncated: bool = False
    """True when one of the three texts above was cut."""
    features_kept: Kept = "full"
    """How much of the features `SHADOW_CAPTURE` let into this record, segments among them."""
    predictions_kept: Kept = "full"
    """How much of both predictions it did, with their labels, scores and differences."""


class Tally(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="tally"):
    """The closed books' counts that were added since the last tally, for one route and shadow."""

    schema_version: int = SCHEMA_VERSION
    ts_us: int
    """The start of the minute, in microseconds of Unix time."""
    service: str = ""
    instance: str = ""
    route: str
    shadow: str
    counts: dict[str, int]
    """`eligible`, the buckets, the skips, `agree`, `disagree` and `records_dropped`; zeros left out."""


class Truth(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="truth"):
    """What the right prediction would have been, known later, joined by the request id."""

    schema_version: int = SCHEMA_VERSION
    ts_us: int
    """When it was told, in microseconds of Unix time; the latest of a request counts."""
    request_id: str
    truth: str
    """The right label as text, or the right number as JSON writes it."""
    value: float | None = None
    """The right number; None where the truth is a label."""


class Pulse(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="pulse"):
    """A worker's sign of life: how one of its shadows stands."""

    schema_version: int = SCHEMA_VERSION
    ts_us: int
    service: str = ""
    instance: str = ""
    shadow: str
    circuit: Literal["closed", "open", "half-open"] = "closed"
    active: int = 0
    """Calls under way."""
    limit: int = 0
    """Calls that may be under way at once."""
    waiting: int = 0
    """Exchanges that wait for a call."""
    share: float = 1.0
    """How much is mirrored of what the settings ask for; below 1.0 while the governor holds back."""
    held_back: str = ""
    """Why the governor holds back, as half a sentence; empty while it does not."""


#: What a store keeps.
Record: TypeAlias = Comparison | Tally | Truth | Pulse
