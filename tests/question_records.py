"""Made-up records for every question, always the same for one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from shadow_mw.records import Comparison, Pulse, Record, Tally, Truth

START_US = 1_790_000_000_000_000
HOUR_US = 3_600_000_000
_LABELS = ("cat", "dog", "it's", "säule 😀", "?%s")
_FAILED = {
    "shadow_error": ("error", "ShadowUnreachable", 0),
    "shadow_timeout": ("timeout", "ShadowTimeout", 0),
    "production_error": ("answered", "", 200),
}


def made_records(count: int, seed: int = 4) -> Iterator[Record]:
    """So many comparisons, with the tallies, truths and pulses that belong to them."""
    chance = random.Random(seed)
    for number in range(count):
        ts_us = START_US + number * (6 * HOUR_US // count) + chance.randrange(1_000)
        first = _comparison(chance, number, ts_us)
        yield first
        if number % 5 == 0:
            yield _control(chance, first, number)
        if number % 7 == 0:
            yield from _truths(chance, first)
        if number % 50 == 0:
            yield from _signs(chance, ts_us)


def _comparison(chance: random.Random, number: int, ts_us: int) -> Comparison:
    facts = {
        "record_id": f"{number:012d}-{chance.getrandbits(64):016x}",
        "request_id": f"request-{number}",
        "ts_us": ts_us,
        "service": "shop",
        "instance": f"host-{number % 3}",
        "route": chance.choice(["POST /predict", "POST /v1/models/{name}:predict"]),
        "method": "POST",
        "shadow": "forest" if chance.random() < 0.8 else "o'net",
        "production_version": f"v{number * 3 // 10_000}",
        "production_us": int(chance.lognormvariate(8, 1)),
        "shadow_us": int(chance.lognormvariate(8.2, 1)),
        "production_status": 200,
        "shadow_status": 200,
        "segments": {"country": chance.choice(["de", "fr", "it"]), "size": str(number % 2)},
        "features": '{"x": 1}',
        "production_prediction": f'{{"label": "ä{number}"}}' * chance.choice([1, 40]),
        "shadow_prediction": f'{{"label": "ö{number}"}}',
    }
    fate = chance.random()
    if fate < 0.06:
        return Comparison(**{**facts, **_failed(chance)})
    if fate < 0.08:
        judged = {"verdict": "incomparable", "reason": "no JSON", "comparator": "label", "items": 1}
        return Comparison(**facts, bucket="incomparable", outcome="answered", **judged)
    return Comparison(**facts, bucket="compared", outcome="answered", **_judged(chance, 0.1))


def _failed(chance: random.Random) -> dict[str, object]:
    bucket = chance.choice(list(_FAILED))
    outcome, error_type, status = _FAILED[bucket]
    facts = {"bucket": bucket, "outcome": outcome, "error_type": error_type, "shadow_status": status}
    if bucket == "production_error":
        facts |= {"production_outcome": "error", "production_error_type": "503", "production_status": 503}
    return facts


def _judged(chance: random.Random, wrong: float) -> dict[str, object]:
    label = chance.choice(_LABELS)
    score = round(chance.random(), 3)
    facts = {"comparator": "label", "items": 3, "production_label": label, "production_score": score}
    if chance.random() >= wrong:
        return {**facts, "verdict": "agree", "items_agree": 3, "shadow_label": label, "shadow_score": score}
    return {
        **facts,
        "verdict": "disagree",
        "items_agree": chance.randrange(3),
        "shadow_label": chance.choice(_LABELS),
        "shadow_score": round(chance.random(), 3),
        "delta": chance.choice([None, round(chance.random(), 2)]),
        "diff_paths": tuple(sorted(chance.sample(["$.label", "$.score", "$.id", "$.a['b']"], 2))),
    }


def _control(chance: random.Random, first: Comparison, number: int) -> Comparison:
    return Comparison(
        record_id=f"{number:012d}-control",
        request_id=first.request_id,
        ts_us=first.ts_us,
        route=first.route,
        method="POST",
        shadow="twin",
        role="control",
        bucket="compared",
        outcome="answered",
        **_judged(chance, 0.05),
    )


def _truths(chance: random.Random, first: Comparison) -> Iterator[Truth]:
    for told in range(chance.choice([1, 1, 2])):
        ts_us = first.ts_us + HOUR_US + told
        if chance.random() < 0.5:
            yield Truth(ts_us=ts_us, request_id=first.request_id, truth=chance.choice(_LABELS))
        else:
            value = round(chance.random(), 3)
            yield Truth(ts_us=ts_us, request_id=first.request_id, truth=str(value), value=value)


def _signs(chance: random.Random, ts_us: int) -> Iterator[Record]:
    minute = ts_us // 60_000_000 * 60_000_000
    for shadow in ("forest", "o'net"):
        counts = {"eligible": 40, "compared": 35, "queue_full": chance.randrange(1, 5), "agree": 30}
        yield Tally(ts_us=minute, route="POST /predict", shadow=shadow, counts=counts, instance="host-0")
        yield Pulse(
            ts_us=ts_us,
            instance=f"host-{chance.randrange(3)}",
            shadow=shadow,
            circuit=chance.choice(["closed", "open", "half-open"]),
            active=chance.randrange(8),
            limit=8,
        )
