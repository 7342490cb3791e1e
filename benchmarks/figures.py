"""From raw rounds to medians, and the table that shows them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from variants import Variant


@dataclass(frozen=True)
class Turn:
    """One variant in one round."""

    cpu_us: float
    """CPU of the production process and of what stands in front of it, a request."""
    p50_ms: float
    p99_ms: float
    requests: int
    errors: int
    mirrored_share: float
    late_p99_ms: float
    """By how much the load generator itself was late."""
    others_cores: float
    """Cores that were busy with work that is not ours."""
    proxy_cpu_us: float = 0.0
    """CPU of what stands in front of production, a request."""
    mirror_cpu_us: float = 0.0
    """CPU of the mirror process, a request."""
    tries: int = 1
    """How often the turn was run until it was quiet enough."""


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    median: float
    q1: float
    q3: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        values = sorted(values)
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, q1, q3)

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} [{self.q1:{spec}}..{self.q3:{spec}}]"


Round = Mapping[str, Turn]


def quantile(values: Sequence[float], share: float) -> float:
    """By nearest rank: always a value that occurred."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)] if ordered else math.nan


def summary(rounds: Sequence[Round], variants: Sequence[Variant]) -> dict[str, dict[str, Any]]:
    """For each variant the spreads over the rounds; differences and ratios are taken within a round."""
    return {variant.name: _summary_of(variant, rounds) for variant in variants}


def _summary_of(variant: Variant, rounds: Sequence[Round]) -> dict[str, Any]:
    turns = [one[variant.name] for one in rounds]
    alone = {
        "cpu_us": Spread.of(turn.cpu_us for turn in turns),
        "proxy_cpu_us": Spread.of(turn.proxy_cpu_us for turn in turns),
        "mirror_cpu_us": Spread.of(turn.mirror_cpu_us for turn in turns),
        "p50_ms": Spread.of(turn.p50_ms for turn in turns),
        "p99_ms": Spread.of(turn.p99_ms for turn in turns),
    }
    without = {"against_without": _against(variant.without, turns, rounds)} if variant.without else {}
    return {
        **{what: asdict(spread) for what, spread in alone.items()},
        **_against(variant.base, turns, rounds),
        **without,
        "base": variant.base,
        "without": variant.without,
        "proxy": variant.proxy,
        "mirrored_share": statistics.fmean(turn.mirrored_share for turn in turns),
        "errors": sum(turn.errors for turn in turns),
        "requests": sum(turn.requests for turn in turns),
    }


def _against(base: str, turns: Sequence[Turn], rounds: Sequence[Round]) -> dict[str, dict[str, float]]:
    pairs = [(turn, one[base]) for turn, one in zip(turns, rounds, strict=True)]
    spreads = {
        "added_cpu_us": Spread.of(turn.cpu_us - bare.cpu_us for turn, bare in pairs),
        "added_p50_ms": Spread.of(turn.p50_ms - bare.p50_ms for turn, bare in pairs),
        "added_p99_ms": Spread.of(turn.p99_ms - bare.p99_ms for turn, bare in pairs),
        "p50_ratio": Spread.of(turn.p50_ms / bare.p50_ms for turn, bare in pairs),
        "p99_ratio": Spread.of(turn.p99_ms / bare.p99_ms for turn, bare in pairs),
    }
    return {what: asdict(spread) for what, spread in spreads.items()}
