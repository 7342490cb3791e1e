"""What metrics are made of: a snapshot and a comparison, with ids and predictions that must not show."""

from __future__ import annotations

from shadow_mw.records import Comparison
from shadow_mw.snapshots import Latency, ShadowStatistics, Statistics

COUNTS = {
    "eligible": 115,
    "compared": 60,
    "incomparable": 5,
    "shadow_error": 4,
    "shadow_timeout": 3,
    "circuit_open": 20,
    "queue_full": 10,
    "too_large": 2,
    "production_error": 8,
    "worker_lost": 3,
    "not_sampled": 900,
    "agree": 50,
    "disagree": 10,
    "records_dropped": 7,
}


def a_snapshot(counts=COUNTS, *, lag=None) -> Statistics:
    shadow = ShadowStatistics(
        shadow="forest",
        url="http://127.0.0.1:8001",
        routes={"/predict": counts},
        circuit="half-open",
        active=3,
        limit=8,
        waiting=0,
        production=Latency(),
        answers=Latency(),
    )
    return Statistics(mode="async", queue="inline:", shadows=(shadow,), lag=lag)


def a_comparison(**changes: object) -> Comparison:
    fields = {
        "record_id": "c1",
        "request_id": "r-42",
        "ts_us": 1_700_000_000_000_000,
        "route": "/predict",
        "method": "POST",
        "shadow": "forest",
        "bucket": "compared",
        "outcome": "answered",
        "production_us": 250_000,
        "shadow_us": 80_000,
        "queue_us": 10_000,
        "comparator": "close",
        "verdict": "disagree",
        "delta": 0.03,
        "production_prediction": "very secret",
        "shadow_prediction": "very secret",
    }
    return Comparison(**{**fields, **changes})
