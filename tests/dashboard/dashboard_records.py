"""A made-up day of two routes and two shadows, as workers would have written it."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from shadow_mw.ids import uuid7
from shadow_mw.records import Comparison, Pulse, Record, Tally
from shadow_mw.stores.segments import SegmentStore

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
ROUTES = ("POST /v1/score", "POST /v1/rank")
SHADOWS = ("forest-v8", "linear-v3")
COUNTRIES = ("in", "de", "fr", "us", "jp", "br")
DEVICES = ("phone", "desktop", "tablet")
#: How often a shadow disagrees where nothing is special; one country is four times as bad.
DISAGREES = {"forest-v8": 0.0015, "linear-v3": 0.03}
WORST = ("forest-v8", "br", 25.0)
_BATCH = 20_000


INCOMPARABLE: dict[str, object] = {
    "bucket": "incomparable",
    "verdict": "incomparable",
    "reason": "the shadow sent no JSON",
    "items": 0,
    "items_agree": 0,
    "diff_paths": (),
    "delta": None,
}
PRODUCTION_FAILED: dict[str, object] = {
    "bucket": "production_error",
    "production_outcome": "error",
    "production_error_type": "500",
    "production_status": 500,
    "verdict": "none",
    "items": 0,
    "items_agree": 0,
    "diff_paths": (),
    "delta": None,
}


@dataclass(frozen=True)
class Call:
    """One predict call, as production saw it."""

    number: int
    ts_us: int
    route: str
    country: str
    device: str
    amount: float
    score: float
    production_us: int


class Day:
    """Exchanges over 24 hours up to `end_us`, thicker at noon, with an outage of the first shadow."""

    def __init__(self, exchanges: int, *, end_us: int, seed: int = 7, hours: int = 24) -> None:
        self.exchanges = exchanges
        self.end_us = end_us
        self.begin_us = end_us - hours * HOUR_US
        self.random = random.Random(seed)
        self.counts: dict[tuple[int, str, str], Counter[str]] = {}

    def records(self) -> Iterator[Record]:
        for number, ts_us in enumerate(self._moments()):
            yield from self._exchange(number, ts_us)
        yield from self._tallies()
        yield from self._pulses()

    def _moments(self) -> list[int]:
        span = self.end_us - self.begin_us
        found: list[int] = []
        while len(found) < self.exchanges:
            position = self.random.random()
            if self.random.random() < 0.6 + 0.4 * math.sin(position * 2 * math.pi - 1.2):
                found.append(self.begin_us + int(position * span))
        return sorted(found)

    def _is_outage(self, ts_us: int) -> bool:
        begin = self.begin_us + 0.62 * (self.end_us - self.begin_us)
        return begin <= ts_us < begin + 25 * MINUTE_US

    def _exchange(self, number: int, ts_us: int) -> Iterator[Record]:
        draw = self.random
        route = ROUTES[draw.random() < 0.22]
        call = Call(
            number=number,
            ts_us=ts_us,
            route=route,
            country=draw.choice(COUNTRIES),
            device=draw.choice(DEVICES),
            amount=round(draw.expovariate(1 / 80), 2),
            score=draw.betavariate(2, 5),
            production_us=int(draw.lognormvariate(math.log(17_000), 0.28)),
        )
        for shadow in SHADOWS:
            self._count(ts_us, route, shadow, "eligible")
            if shadow == SHADOWS[0] and self._is_outage(ts_us) and number % 120:
                self._count(ts_us, route, shadow, "circuit_open")
                continue
            if draw.random() < 0.001:
                self._count(ts_us, route, shadow, "queue_full")
                continue
            yield self._comparison(call, shadow)

    def _comparison(self, call: Call, shadow: str) -> Comparison:
        draw = self.random
        is_different = draw.random() < rate(shadow, call.country)
        facts = judged(call.score, self._moved(call.score) if is_different else call.score)
        if is_different and draw.random() < 0.3:
            facts["diff_paths"] = ("$.label", "$.score", "$.reasons[1]")
        facts["shadow_us"] = int(call.production_us * draw.lognormvariate(math.log(1.06), 0.16))
        facts |= self._failure(call, shadow)
        words = [str(facts["bucket"])]
        if facts["verdict"] in ("agree", "disagree"):
            words.append(str(facts["verdict"]))
        self._count(call.ts_us, call.route, shadow, *words)
        return Comparison(
            record_id=uuid7(),
            request_id=f"request-{call.number:07d}",
            trace_id=f"{draw.getrandbits(128):032x}",
            ts_us=call.ts_us,
            service="scoring",
            instance="web-1:4711",
            route=call.route,
            method="POST",
            shadow=shadow,
            queue="process:",
            queue_us=int(draw.lognormvariate(math.log(900), 0.5)),
            production_us=call.production_us,
            comparator="close",
            segments={"country": call.country, "device": call.device},
            features=json.dumps({"amount": call.amount, "country": call.country, "device": call.device}),
            **facts,  # type: ignore[arg-type]
        )

    def _moved(self, score: float) -> float:
        """A score on the other side of 0.5."""
        moved = min(1.0, max(0.0, score + self.random.gauss(0, 0.25)))
        return 0.5 + abs(moved - 0.5) if score < 0.5 else 0.5 - abs(moved - 0.5)

    def _failure(self, call: Call, shadow: str) -> dict[str, object]:
        luck = self.random.random()
        if (self._is_outage(call.ts_us) and shadow == SHADOWS[0]) or luck < 0.0002:
            return failed("shadow_timeout", "timeout", "ShadowTimeout") | {"shadow_us": 5_000_000}
        if luck < 0.0004:
            return failed("shadow_error", "error", "503")
        if luck < 0.0006:
            return PRODUCTION_FAILED
        return INCOMPARABLE if luck < 0.0008 else {}

    def _count(self, ts_us: int, route: str, shadow: str, *words: str) -> None:
        key = (ts_us - ts_us % MINUTE_US, route, shadow)
        self.counts.setdefault(key, Counter()).update(words)

    def _tallies(self) -> Iterator[Tally]:
        for (ts_us, route, shadow), counts in sorted(self.counts.items()):
            yield Tally(
                ts_us=ts_us,
                service="scoring",
                instance="web-1:4711",
                route=route,
                shadow=shadow,
                counts=dict(counts),
            )

    def _pulses(self) -> Iterator[Pulse]:
        for shadow in SHADOWS:
            yield Pulse(
                ts_us=self.end_us,
                service="scoring",
                instance="web-1:4711",
                shadow=shadow,
                active=2,
                limit=8,
                waiting=0,
            )


def rate(shadow: str, country: str) -> float:
    return DISAGREES[shadow] * (WORST[2] if (shadow, country) == WORST[:2] else 1.0)


def label_of(score: float) -> str:
    return "review" if score >= 0.5 else "approve"


def prediction(score: float) -> str:
    reasons = ["amount", "age"][: 1 + (score > 0.5)]
    return json.dumps({"label": label_of(score), "score": round(score, 4), "reasons": reasons})


def judged(score: float, moved: float) -> dict[str, object]:
    is_same = score == moved
    return {
        "bucket": "compared",
        "outcome": "answered",
        "shadow_status": 200,
        "production_status": 200,
        "verdict": "agree" if is_same else "disagree",
        "delta": abs(moved - score),
        "diff_paths": () if is_same else ("$.label", "$.score"),
        "items": 1,
        "items_agree": int(is_same),
        "production_label": label_of(score),
        "shadow_label": label_of(moved),
        "production_score": score,
        "shadow_score": moved,
        "production_prediction": prediction(score),
        "shadow_prediction": prediction(moved),
    }


def failed(bucket: str, outcome: str, error_type: str) -> dict[str, object]:
    return {
        "bucket": bucket,
        "outcome": outcome,
        "error_type": error_type,
        "error": "the shadow gave no answer",
        "shadow_status": 503 if error_type == "503" else 0,
        "verdict": "none",
        "delta": None,
        "diff_paths": (),
        "items": 0,
        "items_agree": 0,
        "shadow_prediction": "",
        "shadow_label": None,
        "shadow_score": None,
    }


def write_day(folder: Path, exchanges: int, *, end_us: int, seed: int = 7) -> None:
    """Write a day of so many exchanges, each with a record for each shadow."""
    store = SegmentStore(folder, max_bytes=2**36, retention_days=36500)
    records = Day(exchanges, end_us=end_us, seed=seed).records()
    while batch := list(islice(records, _BATCH)):
        store.write(batch)
    store.close()


def write_records(folder: Path, records: list[Record]) -> None:
    store = SegmentStore(folder, max_bytes=2**36, retention_days=36500)
    store.write(records)
    store.close()
