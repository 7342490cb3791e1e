"""The names that leave this library over OTLP: every span attribute, metric and metric attribute."""

from __future__ import annotations

from typing import NamedTuple

REQUEST_ID = "request.id"
ROLE = "shadow_mw.role"
SHADOW_NAME = "shadow_mw.shadow.name"
MODE = "shadow_mw.mode"
QUEUE = "shadow_mw.queue"
QUEUE_DURATION = "shadow_mw.queue.duration"
SAMPLE_RATE = "shadow_mw.sample_rate"
PREDICTION = "shadow_mw.prediction"
PRODUCTION_PREDICTION = "shadow_mw.production.prediction"
PRODUCTION_DURATION = "shadow_mw.production.duration"
OUTCOME = "shadow_mw.outcome"
VERDICT = "shadow_mw.verdict"
DELTA = "shadow_mw.delta"
COMPARATOR = "shadow_mw.comparator"
DECISION = "shadow_mw.decision"
CIRCUIT_STATE = "shadow_mw.circuit.state"
HTTP_REQUEST_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
URL_FULL = "url.full"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

SPAN_PRODUCTION = "predict production"
SPAN_SHADOW = "predict shadow"
SPAN_EXCHANGE = "exchange"

#: What each span attribute means.
SPAN_ATTRIBUTES: dict[str, str] = {
    REQUEST_ID: "the id of the request, the same on all its spans",
    ROLE: "`production`, `shadow` or `control`",
    SHADOW_NAME: "the name of the shadow",
    MODE: "`async` or `sync`",
    QUEUE: "what stood between the app and the worker, such as `inline:`",
    QUEUE_DURATION: "seconds that the exchange waited before its shadow was asked",
    SAMPLE_RATE: "the share of predict calls that was mirrored at that moment, 0.0 to 1.0",
    PREDICTION: "this side's prediction, at most 256 characters",
    PRODUCTION_PREDICTION: "production's prediction, at most 256 characters",
    PRODUCTION_DURATION: "seconds that production took",
    OUTCOME: "`answered`, `error`, `timeout`, `circuit_open` or `cancelled`",
    VERDICT: "`agree`, `disagree`, `incomparable` or `none`; always set",
    DELTA: "the distance between the predictions, in the comparator's own unit",
    COMPARATOR: "the comparator that decided",
    HTTP_REQUEST_METHOD: "the method of the request",
    HTTP_ROUTE: "the route that matched, never the raw path",
    HTTP_RESPONSE_STATUS_CODE: "the status that this side answered with",
    URL_FULL: "the URL that was asked, without query and credentials",
    SERVER_ADDRESS: "the host of the shadow",
    SERVER_PORT: "the port of the shadow",
    ERROR_TYPE: "why this side failed: an error's name or a status; only where it failed",
}


class Instrument(NamedTuple):
    """One metric: its name, its unit (UCUM) and what it means."""

    name: str
    unit: str
    meaning: str


REQUESTS = Instrument(
    "shadow_mw.requests", "{request}", "requests to predict routes by what was decided of them"
)
COMPARISONS = Instrument("shadow_mw.comparisons", "{comparison}", "comparisons by verdict")
PREDICT_DURATION = Instrument("shadow_mw.predict.duration", "s", "how long each side took, by role")
DELTAS = Instrument("shadow_mw.delta", "1", "distances between predictions, in the comparator's own unit")
QUEUE_DURATIONS = Instrument(
    "shadow_mw.queue.duration", "s", "how long exchanges waited before their shadow was asked"
)
QUEUE_LAG = Instrument(
    "shadow_mw.queue.lag", "{exchange}", "exchanges that wait at the broker, as far as the worker knows"
)
POOL_ACTIVE = Instrument("shadow_mw.pool.active", "{task}", "shadow calls under way")
POOL_LIMIT = Instrument("shadow_mw.pool.limit", "{task}", "shadow calls that may be under way at once")
SAMPLING_SHARE = Instrument(
    "shadow_mw.sampling.share",
    "1",
    "how much is mirrored of what `SHADOW_SAMPLE_RATE` asks for; below 1 while the governor holds back",
)
CIRCUIT_STATUS = Instrument("shadow_mw.circuit.status", "1", "1 for the state the circuit is in, else 0")
RECORDS_DROPPED = Instrument("shadow_mw.records.dropped", "{record}", "comparisons that could not be stored")

#: Every metric.
METRICS: tuple[Instrument, ...] = (
    REQUESTS,
    COMPARISONS,
    PREDICT_DURATION,
    DELTAS,
    QUEUE_DURATIONS,
    QUEUE_LAG,
    POOL_ACTIVE,
    POOL_LIMIT,
    SAMPLING_SHARE,
    CIRCUIT_STATUS,
    RECORDS_DROPPED,
)

#: What each metric attribute means. Never a request id or a prediction: their number has no bound.
METRIC_ATTRIBUTES: dict[str, str] = {
    SHADOW_NAME: "the name of the shadow; on all but the lag and the share",
    HTTP_ROUTE: "the route that matched; on all but the lag, the share, the pool and the circuit",
    DECISION: "`mirrored`, or why not: `circuit_open`, `queue_full`, `too_large`, `worker_lost`, "
    "`not_sampled`, `governed`, `loop`, `request_incomplete`",
    VERDICT: "`agree`, `disagree` or `incomparable`",
    ROLE: "`production`, `shadow` or `control`",
    COMPARATOR: "the comparator that decided",
    CIRCUIT_STATE: "`closed`, `open` or `half-open`",
    ERROR_TYPE: "why this side failed; only where it failed",
}


class StoreGauge(NamedTuple):
    """One figure about a store, by the name that Prometheus reads: only a scrape asks for it."""

    name: str
    label: str
    """The label beside the shadow's name, or empty."""
    meaning: str


STORE_SHADOWS = StoreGauge("shadow_mw_store_shadows", "", "shadows of which the store has anything")
STORE_READ = StoreGauge(
    "shadow_mw_store_read_timestamp_seconds", "", "when the store was asked for the figures of this page"
)
STORE_REQUESTS = StoreGauge(
    "shadow_mw_store_requests",
    "shadow_mw_bucket",
    "eligible requests by where they ended: a bucket of the closed books, or `unaccounted`",
)
STORE_COMPARISONS = StoreGauge(
    "shadow_mw_store_comparisons", "shadow_mw_verdict", "comparisons by verdict, of those that count now"
)
STORE_COVERAGE = StoreGauge(
    "shadow_mw_store_coverage_ratio", "", "the share of eligible requests that the shadow answered"
)
STORE_AGREEMENT = StoreGauge(
    "shadow_mw_store_agreement_ratio",
    "shadow_mw_bound",
    "agreement: the `estimate`, and the `low` and `high` end of its interval for any number of looks",
)
STORE_GATE = StoreGauge(
    "shadow_mw_store_gate_status",
    "shadow_mw_gate",
    "1 for what the gate says, else 0: `promote`, `hold` or `not enough data`",
)
STORE_RATE = StoreGauge(
    "shadow_mw_store_eligible_per_second", "", "eligible requests a second over the last ten minutes"
)
STORE_COMPARED = StoreGauge(
    "shadow_mw_store_comparison_timestamp_seconds",
    "",
    "when the latest comparison was made, of those that count now",
)
STORE_PULSE = StoreGauge(
    "shadow_mw_store_pulse_timestamp_seconds", "", "a worker's last sign of life for this shadow"
)
STORE_WORKERS = StoreGauge(
    "shadow_mw_store_workers", "", "workers that gave a sign of life in the last 30 seconds"
)

#: Every figure that the dashboard tells Prometheus.
STORE_GAUGES: tuple[StoreGauge, ...] = (
    STORE_SHADOWS,
    STORE_READ,
    STORE_REQUESTS,
    STORE_COMPARISONS,
    STORE_COVERAGE,
    STORE_AGREEMENT,
    STORE_GATE,
    STORE_RATE,
    STORE_COMPARED,
    STORE_PULSE,
    STORE_WORKERS,
)
