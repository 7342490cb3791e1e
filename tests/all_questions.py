"""Every question to a store, with the scopes that differ; the answers as plain values to compare."""

from __future__ import annotations

from typing import Any

import msgspec

from shadow_mw import questions
from shadow_mw.protocols import Reader
from shadow_mw.scope import Scope

STEP_US = 900_000_000


def scopes(first_us: int, last_us: int) -> dict[str, Scope]:
    middle_us = (first_us + last_us) // 2
    return {
        "all": Scope(shadow="forest"),
        "quoted": Scope(shadow="o'net", route="POST /v1/models/{name}:predict"),
        "early": Scope(shadow="forest", until_us=middle_us, comparator="label"),
        "late": Scope(shadow="forest", since_us=middle_us, route="POST /predict", production_version="v0"),
        "control": Scope(shadow="twin"),
        "nobody": Scope(shadow="nobody"),
    }


def everything(reader: Reader, *, sample: int = 300) -> dict[str, Any]:
    """All answers by question and scope; numbers that are sums of fractions are rounded."""
    seen = questions.seen(reader)
    found: dict[str, Any] = {"seen": seen, "pulses": questions.pulses(reader)}
    ends = [moment for one in seen for moment in (one.first_us, one.last_us)]
    for name, scope in scopes(min(ends), max(ends)).items():
        found |= {f"{question} {name}": answer for question, answer in _about(reader, scope, sample).items()}
    return {question: _plain(answer) for question, answer in found.items()}


def _about(reader: Reader, scope: Scope, sample: int) -> dict[str, Any]:
    worst = questions.listing(reader, scope, only="disagree", order="delta", limit=40)
    newest = questions.listing(reader, scope, limit=20)
    older = questions.listing(reader, scope, limit=20, before=newest[-1].ts_us) if newest else ()
    return {
        "epochs": questions.epochs(reader, scope),
        "books": questions.books(reader, scope),
        "verdicts": questions.verdicts(reader, scope),
        "outcomes": questions.outcomes(reader, scope),
        "latencies": questions.latencies(reader, scope),
        "latency_pairs": questions.latency_pairs(reader, scope, sample),
        "agreement_over_time": questions.agreement_over_time(reader, scope, STEP_US),
        "latency_over_time": questions.latency_over_time(reader, scope, STEP_US),
        "traffic_over_time": questions.traffic_over_time(reader, scope, STEP_US),
        "paths": questions.paths(reader, scope),
        "label_pairs": questions.label_pairs(reader, scope, 7),
        "score_pairs": questions.score_pairs(reader, scope, sample),
        "segments": questions.segments(reader, scope, sample),
        "all segments": questions.segments(reader, scope),
        "newest": newest,
        "older": older,
        "worst": worst,
        "failed": questions.listing(reader, scope, only="failed"),
        "incomparable": questions.listing(reader, scope, only="incomparable", order="delta"),
        "exchange": questions.exchange(reader, worst[0].record_id) if worst else None,
        "noise": questions.noise(reader, scope),
        "label_truths": questions.label_truths(reader, scope),
        "score_errors": questions.score_errors(reader, scope),
    }


def _plain(answer: Any) -> Any:
    return _rounded(msgspec.json.decode(msgspec.json.encode(answer)))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
