"""From raw rounds to medians, and the table that shows them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from variants import BARE, VARIANTS


@dataclass(frozen=True)
class Turn:
    """One variant in one round."""

    cpu_us: float
    """CPU of the production process, a request."""
    p50_ms: float
    p99_ms: float
    requests: int
    errors: int
    mirrored_share: float
    late_p99_ms: float
    """By how much the load generator itself was late."""
    others_cores: float
    """Cores that were busy with work that is not ours."""
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


def summary(rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """For each variant the spreads over the rounds; differences and ratios are to bare in the same round."""
    return {variant.name: _summary_of(variant.name, rounds) for variant in VARIANTS}


def _summary_of(name: str, rounds: Sequence[Round]) -> dict[str, Any]:
    pairs = [(one[name], one[BARE.name]) for one in rounds]
    spreads = {
        "cpu_us": Spread.of(turn.cpu_us for turn, _ in pairs),
        "added_cpu_us": Spread.of(turn.cpu_us - bare.cpu_us for turn, bare in pairs),
        "p50_ms": Spread.of(turn.p50_ms for turn, _ in pairs),
        "p99_ms": Spread.of(turn.p99_ms for turn, _ in pairs),
        "p50_ratio": Spread.of(turn.p50_ms / bare.p50_ms for turn, bare in pairs),
        "p99_ratio": Spread.of(turn.p99_ms / bare.p99_ms for turn, bare in pairs),
    }
    return {
        **{what: asdict(spread) for what, spread in spreads.items()},
        "mirrored_share": statistics.fmean(turn.mirrored_share for turn, _ in pairs),
        "errors": sum(turn.errors for turn, _ in pairs),
        "requests": sum(turn.requests for turn, _ in pairs),
    }


def table(variants: Mapping[str, Mapping[str, Any]]) -> str:
    """The summary for a terminal: medians over rounds, quartiles in brackets."""
    head = (
        "variant",
        "added CPU, µs/request",
        "p50, ms",
        "p50 / bare",
        "p99, ms",
        "p99 / bare",
        "mirrored",
        "errors",
    )
    rows = [head, *(_row(name, figures) for name, figures in variants.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _row(name: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    def spread(what: str, spec: str) -> str:
        return format(Spread(**figures[what]), spec)

    is_bare = name == BARE.name
    return (
        name,
        f"({figures['cpu_us']['median']:.0f} in all)" if is_bare else spread("added_cpu_us", "+.0f"),
        spread("p50_ms", ".2f"),
        "" if is_bare else spread("p50_ratio", ".2f"),
        spread("p99_ms", ".2f"),
        "" if is_bare else spread("p99_ratio", ".2f"),
        f"{figures['mirrored_share']:.1%}",
        str(figures["errors"]),
    )
