"""Shapes: histograms as SVG paths, drawn here so that they print, and show without scripts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from shadow_mw.dashboard.steps import nearest_rank, spread
from shadow_mw.dashboard.words import duration
from shadow_mw.questions import bin_us

#: The box in which paths are drawn; it is stretched to the place on the page.
WIDTH, HEIGHT = 1000.0, 100.0
#: Bins of 1 % are put together, so that the outline is calm: so many at least, and into so many at most.
_BINS_TOGETHER = 6
_MOST_GROUPS = 60
_TAIL = 0.002
_BARS = 44
_FEWEST = 5
_MOST_TICKS = 8
_FINE = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A mark on the axis. Immutable."""

    at: float
    """Per cent of the width."""
    label: str


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Two areas over one axis. Immutable."""

    production: str
    """SVG path data, in a box of 1000 by 100."""
    shadow: str
    ticks: tuple[Tick, ...]
    production_mark: float | None = None
    """Where production's median is, in per cent of the width."""
    shadow_mark: float | None = None


def latency_shape(production: Mapping[int, int], shadow: Mapping[int, int]) -> Shape | None:
    """Both sides' latencies on a logarithmic axis; None where there are too few to draw."""
    both = Counter(production) + Counter(shadow)
    low, high = nearest_rank(both, _TAIL), nearest_rank(both, 1 - _TAIL)
    if low is None or high is None or both.total() < 2 * _FEWEST:
        return None
    low, high = low - 3 * _BINS_TOGETHER, high + 3 * _BINS_TOGETHER
    sides = [_grouped(side, low, high) for side in (production, shadow)]
    top = max(max(side) / max(sum(side), 1) for side in sides)
    medians = [nearest_rank(side, 0.5) for side in (production, shadow)]
    return Shape(
        production=_area([n / max(sum(sides[0]), 1) / top for n in sides[0]]),
        shadow=_area([n / max(sum(sides[1]), 1) / top for n in sides[1]]),
        ticks=_round_ticks(low, high),
        production_mark=_place(medians[0], low, high),
        shadow_mark=_place(medians[1], low, high),
    )


def difference_shape(pairs: Sequence[tuple[int, int]]) -> Shape | None:
    """What the shadow takes longer on the same requests: faster to the left, slower to the right.

    `pairs` are microseconds of production and shadow; None where there are too few to draw.
    """
    if len(pairs) < _FEWEST:
        return None
    gaps = [shadow - production for production, shadow in pairs]
    low, high = spread(gaps, 0.01, 0.99)
    reach = max(abs(low), abs(high), 1.0) * 1.02
    width = 2 * reach / _BARS
    bars = Counter(int((gap + reach) // width) for gap in gaps if abs(gap) < reach)
    top = max(bars.values())
    heights = [bars[bar] / top for bar in range(_BARS)]
    # Where the middle bars meet, both sides take the same time.
    middle = _BARS // 2
    return Shape(
        production=_columns([height if bar < middle else 0 for bar, height in enumerate(heights)]),
        shadow=_columns([height if bar >= middle else 0 for bar, height in enumerate(heights)]),
        ticks=tuple(
            Tick(at=50 + 50 * share, label=_signed(share * reach)) for share in (-0.8, -0.4, 0.0, 0.4, 0.8)
        ),
        shadow_mark=50 + 50 * spread(gaps, 0.5, 0.5)[0] / reach,
    )


def _grouped(histogram: Mapping[int, int], low: int, high: int) -> list[int]:
    """Counts of wide bins from `low` to `high`; what lies outside falls into the first and the last."""
    together = max(_BINS_TOGETHER, (high - low) // _MOST_GROUPS)
    groups = (high - low) // together + 1
    found = Counter[int]()
    for bin_, n in histogram.items():
        found[min(max((bin_ - low) // together, 0), groups - 1)] += n
    return [found[group] for group in range(groups)]


def _area(heights: Sequence[float]) -> str:
    """A stepped outline, closed at the bottom."""
    width = WIDTH / len(heights)
    steps = "".join(f"V{_y(height)}H{(place + 1) * width:.1f}" for place, height in enumerate(heights))
    return f"M0 {HEIGHT:.0f}{steps}V{HEIGHT:.0f}Z"


def _columns(heights: Sequence[float]) -> str:
    """Columns with a gap between them; those without height are left out."""
    width = WIDTH / len(heights)
    return "".join(
        f"M{place * width + 1:.1f} {HEIGHT:.0f}V{_y(height)}h{width - 2:.1f}V{HEIGHT:.0f}Z"
        for place, height in enumerate(heights)
        if height
    )


def _y(height: float) -> str:
    return f"{HEIGHT - 92 * height:.2f}"


def _place(bin_: int | None, low: int, high: int) -> float | None:
    return None if bin_ is None else 100 * (bin_ + 0.5 - low) / (high + 1 - low)


def _round_ticks(low: int, high: int) -> tuple[Tick, ...]:
    """Ticks at round durations, as many as there is room for."""
    begin, end = math.log(bin_us(low)), math.log(bin_us(high))
    powers = range(math.floor(begin / math.log(10)), math.ceil(end / math.log(10)) + 1)
    found: list[Tick] = []
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), _FINE):
        values = [digit * 10.0**power for power in powers for digit in digits]
        places = [(100 * (math.log(value) - begin) / (end - begin), value) for value in values]
        ticks = [Tick(at=at, label=_short(value)) for at, value in places if 4 < at < 96]
        if len(ticks) > _MOST_TICKS:
            break
        found = ticks
    return tuple(found)


def _short(microseconds: float) -> str:
    """A round duration without the zeros behind its point."""
    return re.sub(r"\.0+(?=\D)|(?<=\.\d)0+(?=\D)", "", duration(microseconds / 1e6))


def _signed(microseconds: float) -> str:
    sign = "+" if microseconds > 0 else ""
    return f"{sign}{duration(microseconds / 1e6)}" if microseconds else "same"
