"""One moment of the demo: what the caller saw, what the mirror says, what differed last."""

from __future__ import annotations

import contextlib
from pathlib import Path

import httpx
import msgspec

from shadow_mw.exceptions import StoreError
from shadow_mw.figures import interval, milliseconds, printable, share
from shadow_mw.snapshots import Latency, ShadowStatistics, Statistics
from shadow_mw.stats import ratio
from shadow_mw.stores.reader import open_reader

_LAST_DISAGREEMENT = """
SELECT request_id, production_label, shadow_label
FROM comparisons WHERE verdict = 'disagree' ORDER BY ts_us DESC LIMIT 1
"""
_STORED = "SELECT coalesce(sum(coalesce(counts['eligible'], 0)), 0)::BIGINT AS count FROM tallies"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What the screen shows at one moment. Immutable."""

    sent: int
    failed: int
    caller: Latency
    shadow: ShadowStatistics | None = None
    """None until the mirror has told for the first time."""
    last_disagreement: str = ""

    def rows(self) -> list[tuple[str, str]]:
        """The lines of the screen, each a name and its value."""
        rows = [
            ("predict calls", f"{self.sent:,}, production failed {self.failed:,}"),
            ("caller waits", _latency(self.caller)),
        ]
        if self.shadow is not None:
            rows += _shadow_rows(self.shadow)
        return [*rows, ("last disagreement", self.last_disagreement or "none yet")]


def _shadow_rows(shadow: ShadowStatistics) -> list[tuple[str, str]]:
    agree, disagree = shadow.count("agree"), shadow.count("disagree")
    eligible, answered = shadow.count("eligible"), shadow.count("compared") + shadow.count("incomparable")
    failed = shadow.count("shadow_error") + shadow.count("shadow_timeout")
    share_answered = share(answered / eligible if eligible else None)
    under_way = shadow.waiting + shadow.active
    return [
        ("agreement", interval(ratio(agree, agree + disagree))),
        ("coverage", f"{share_answered} of {eligible:,} eligible calls, {under_way:,} under way"),
        ("production", _latency(shadow.production)),
        ("shadow", f"{_latency(shadow.answers)}, failed {failed:,}"),
        ("breaker", f"{shadow.circuit}, kept {shadow.count('circuit_open'):,} calls from the shadow"),
    ]


def _latency(latency: Latency) -> str:
    return f"p50 {milliseconds(latency.p50_seconds)}, p95 {milliseconds(latency.p95_seconds)}"


async def read_statistics(client: httpx.AsyncClient) -> ShadowStatistics | None:
    """The snapshot of the one shadow, or None while production does not tell."""
    try:
        response = await client.get("/statistics")
        mirrors = msgspec.json.decode(response.content, type=tuple[Statistics, ...])
    except (httpx.HTTPError, msgspec.MsgspecError):
        return None
    return mirrors[0].shadows[0] if mirrors else None


def read_last_disagreement(store: Path) -> str:
    """The latest disagreement in the store, in words; empty while there is none. Blocks."""
    with contextlib.suppress(StoreError), open_reader(store) as reader:
        for row in reader.rows(_LAST_DISAGREEMENT):
            labels = f"production says {row['production_label']}, the shadow {row['shadow_label']}"
            return printable(f"{labels} ({row['request_id']})")
    return ""


def count_stored(store: Path) -> int:
    """How many eligible calls the store accounts for; 0 while there is none. Blocks."""
    with contextlib.suppress(StoreError), open_reader(store) as reader:
        return int(reader.rows(_STORED)[0]["count"])
    return 0
