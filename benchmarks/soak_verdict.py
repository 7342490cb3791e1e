"""What a run of `soak.py` has to hold, and the report that says whether it does."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from soak_callers import Ledger
from soak_site import Site
from soak_watch import Growth, Holdings

from shadow_mw.records import BUCKETS

#: What production may grow by more than its twin does, and what the mirror process may, an hour; from
#: windows that are shorter than this nothing is concluded.
_PRODUCTION_MIB_AN_HOUR = 12.0
_MIRROR_MIB_AN_HOUR = 60.0
_LEAST_MINUTES = 2.0
_REST_SECONDS = 60.0
_LOOK_SECONDS = 0.5
#: What the mirror process may hold more than when it was new: kept connections, and threads of its pool.
_MIRROR_SLACK = Holdings(descriptors=24, threads=16, children=1)
#: What a kill may cause to be counted twice: what was written in the moment before its acknowledgement.
_TWICE_A_KILL = 100


@dataclass(frozen=True)
class Places:
    """What each process holds at rest."""

    production: Holdings = field(default_factory=Holdings)
    twin: Holdings = field(default_factory=Holdings)
    mirror: Holdings = field(default_factory=Holdings)
    pool: int = 0
    """How many threads the server starts as they are needed: a twin may have some more or less."""

    @classmethod
    def of(cls, site: Site) -> Places:
        found = {name: Holdings.of(pids) for name, pids in cls.pids(site).items()}
        return cls(**found, pool=site.pool_threads)

    @staticmethod
    def pids(site: Site) -> dict[str, list[int]]:
        """The processes behind each name."""
        production, twin = site.serving(site.production), site.serving(site.twin)
        return {"production": production, "twin": twin, "mirror": site.mirrors()}

    @classmethod
    async def at_rest(cls, site: Site, like: Places | None = None) -> Places:
        """Once nothing changes any more, or it holds no more than it did; at the latest after a while."""
        deadline = time.monotonic() + _REST_SECONDS
        last, now = None, await asyncio.to_thread(cls.of, site)
        while time.monotonic() < deadline and (now.beyond(like) if like else now != last):
            await asyncio.sleep(_LOOK_SECONDS)
            last, now = now, await asyncio.to_thread(cls.of, site)
        return now

    def beyond(self, other: Places) -> dict[str, Holdings]:
        """What is held more than before; what production's twin holds more too is the app's own."""
        twin = self.twin.beyond(other.twin)
        found = {
            "production": self.production.beyond(other.production)
            .beyond(twin)
            .beyond(Holdings(threads=self.pool)),
            "mirror": self.mirror.beyond(other.mirror).beyond(_MIRROR_SLACK),
        }
        return {name: more for name, more in found.items() if more}


@dataclass(frozen=True)
class Verdict:
    """One run and what is to be said of it."""

    seed: int
    app: str
    queue: str
    minutes: float
    ledger: Ledger
    books: Mapping[str, Counter[str]]
    kills: int
    faults: Sequence[str]
    before: Places
    after: Places
    growth: Mapping[str, Growth | None]
    left: Sequence[int]

    def failures(self) -> list[str]:
        """What does not hold, a sentence each."""
        return [
            *self._answers(),
            *(sentence for shadow in self.books for sentence in self._of_books(shadow)),
            *self._of_memory(),
            *(
                f"{name} holds more than before: {more}"
                for name, more in self.after.beyond(self.before).items()
            ),
            *(f"process {pid} is left" for pid in self.left),
        ]

    def _answers(self) -> Iterator[str]:
        if self.ledger.differing:
            yield f"{self.ledger.differing} answers differ, as in {self.ledger.examples[0]}"

    def _of_books(self, shadow: str) -> Iterator[str]:
        counts = self.books[shadow]
        in_buckets = sum(counts[bucket] for bucket in BUCKETS)
        if in_buckets != counts["eligible"]:
            yield f"{shadow}: {counts['eligible']} eligible, and {in_buckets} in buckets"
        for place in ("eligible", "loop", "request_incomplete"):
            sent = self.ledger.places[place]
            if not sent <= counts[place] <= sent + self.kills * _TWICE_A_KILL:
                yield f"{shadow}: {sent} were sent that are {place}, and {counts[place]} are in the books"

    def _of_memory(self) -> Iterator[str]:
        twin = self.growth["twin"]
        inside = _MIRROR_MIB_AN_HOUR if self.queue == "inline:" else 0.0  # the worker is production's thread
        own = {"production": _PRODUCTION_MIB_AN_HOUR + inside, "mirror": _MIRROR_MIB_AN_HOUR}
        for name, bound in own.items():
            growth = self.growth[name]
            if growth is None or growth.minutes < _LEAST_MINUTES:
                continue
            allowed = bound + (max(twin.mib_an_hour, 0.0) if twin and name == "production" else 0.0)
            if growth.mib_an_hour > allowed:
                yield f"{name} grows: {growth}; {allowed:.0f} MiB an hour are allowed"

    def figures(self) -> dict[str, Any]:
        """The run for a program."""
        counted = {
            "ledger": vars(self.ledger),
            "growth": {name: growth and asdict(growth) for name, growth in self.growth.items()},
            "before": asdict(self.before),
            "after": asdict(self.after),
        }
        return {**vars(self), **counted, "failures": self.failures()}

    def report(self) -> str:
        """The run for a person."""
        failures = self.failures()
        lines = [
            "",
            f"seed {self.seed}, {self.app}, {self.queue}, {self.minutes:g} minutes",
            f"{self.ledger.requests:,} requests, {len(self.faults)} faults, {self.kills} kills",
            f"answers that differ: {self.ledger.differing}",
            f"what the twin answered: {_counted(self.ledger.ends)}",
            f"sent: {_counted(self.ledger.places)}",
            *(f"books of {shadow}: {_counted(counts)}" for shadow, counts in self.books.items()),
            *(f"memory of {name}: {growth or 'too short to tell'}" for name, growth in self.growth.items()),
            *(
                f"{name} at rest: {getattr(self.before, name)}, in the end {getattr(self.after, name)}"
                for name in ("production", "twin", "mirror")
            ),
            *(f"FAILED: {sentence}" for sentence in failures),
            "" if failures else "all of it holds",
        ]
        return "\n".join(lines)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{word or 'not mirrored'} {count:,}" for word, count in sorted(counts.items()))
