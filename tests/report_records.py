"""Made-up exchanges with known fates, written into a real store as records and tallies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shadow_mw.ids import uuid7
from shadow_mw.records import Comparison, Record, Tally
from shadow_mw.stores.segments import SegmentStore

START_US = 1_790_000_000_000_000
#: Every fate of a predict call, with its bucket and the outcomes of shadow and production.
FATES = {
    "agree": ("compared", "answered", "answered"),
    "disagree": ("compared", "answered", "answered"),
    "incomparable": ("incomparable", "answered", "answered"),
    "shadow_error": ("shadow_error", "error", "answered"),
    "shadow_timeout": ("shadow_timeout", "timeout", "answered"),
    "production_error": ("production_error", "answered", "error"),
    "both_failed": ("production_error", "error", "error"),
}
#: Fates that leave a count and no record.
UNRECORDED = ("circuit_open", "queue_full", "too_large", "worker_lost")
SKIPPED = ("not_sampled", "governed", "loop", "request_incomplete")


@dataclass(frozen=True)
class Call:
    """One predict call, as a test makes it up."""

    fate: str
    shadow: str = "forest"
    route: str = "POST /predict"
    process: str = "a"

    def words(self) -> tuple[str, ...]:
        if self.fate in SKIPPED:
            return (self.fate,)
        if self.fate == "in_flight":
            return ("eligible",)
        if self.fate in UNRECORDED:
            return ("eligible", self.fate)
        verdict = (self.fate,) if self.fate in ("agree", "disagree") else ()
        return ("eligible", FATES[self.fate][0], *verdict)


def comparison(call: Call, number: int = 0, **fields: object) -> Comparison:
    bucket, outcome, production_outcome = FATES[call.fate]
    facts = {
        "record_id": uuid7(),
        "request_id": f"request-{number}",
        "ts_us": START_US + number,
        "instance": call.process,
        "route": call.route,
        "method": "POST",
        "shadow": call.shadow,
        "bucket": bucket,
        "outcome": outcome,
        "production_outcome": production_outcome,
        "production_us": 1000 + number,
        "shadow_us": 2000 + number,
        "comparator": "exact",
        "verdict": call.fate if call.fate in ("agree", "disagree", "incomparable") else "none",
    }
    return Comparison(**(facts | fields))


def tallies(calls: Iterable[Call]) -> list[Tally]:
    """One tally a process, route and shadow, as their workers would write them."""
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for call in calls:
        counts.setdefault((call.process, call.route, call.shadow), Counter()).update(call.words())
    return [
        Tally(ts_us=START_US, instance=process, route=route, shadow=shadow, counts=dict(counter))
        for (process, route, shadow), counter in counts.items()
    ]


def write_calls(folder: Path, calls: list[Call]) -> None:
    """Write the calls as their processes would: a segment each, comparisons and tallies in halves."""
    for process in sorted({call.process for call in calls}):
        own = [call for call in calls if call.process == process]
        middle = len(own) // 2
        write_records(folder, [*_records(own[:middle]), *_records(own[middle:], middle)])


def write_records(folder: Path, records: Iterable[Record]) -> None:
    store = SegmentStore(folder, max_bytes=2**30, retention_days=36500)
    store.write(list(records))
    store.close()


def _records(calls: list[Call], first: int = 0) -> list[Record]:
    recorded = [call for call in calls if call.fate in FATES]
    return [*(comparison(call, first + n) for n, call in enumerate(recorded)), *tallies(calls)]
