"""Charts of the HTML report, as SVG paths that show and print without scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from shadow_mw.dashboard.series import Series, agreement_series
from shadow_mw.dashboard.shapes import HEIGHT, WIDTH, Shape, Tick, difference_shape, latency_shape
from shadow_mw.dashboard.steps import step_for
from shadow_mw.dashboard.words import moment, percent
from shadow_mw.protocols import Reader
from shadow_mw.questions import agreement_over_time, latencies, latency_pairs
from shadow_mw.scope import Scope

_ROOM = 0.08
_ROUND = (1, 2, 5, 10)
_TICKS_DOWN, _TICKS_ACROSS = 4, 4


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A share over time with its band, in a box of 1000 by 100. Immutable."""

    line: str
    """SVG path data; it breaks where nothing was."""
    band: str
    gate: float
    """How far down the gate's line is, in per cent of the height."""
    across: tuple[Tick, ...]
    """Moments."""
    down: tuple[Tick, ...]
    """Shares, `at` in per cent from the top."""


class Charts(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn of one shadow; None for what there is too little of. Immutable."""

    agreement: Curve | None
    latencies: Shape | None
    differences: Shape | None


def charts(reader: Reader, scope: Scope, span: tuple[int, int] | None, gate: float, level: float) -> Charts:
    """The charts of a scope; `span` is its first and last moment, `level` the confidence.

    Raises:
        StoreError: the store could not be read.

    """
    curve = None
    if span is not None:
        # Half as many steps as on the dashboard: a page of paper is narrower.
        step_us = step_for(2 * max(span[1] - span[0], 1))
        series = agreement_series(agreement_over_time(reader, scope, step_us), step_us, gate, level)
        curve = None if series is None else agreement_curve(series)
    sides = latencies(reader, scope)
    return Charts(
        agreement=curve,
        latencies=latency_shape(sides.production, sides.shadow),
        differences=difference_shape(latency_pairs(reader, scope)),
    )


def agreement_curve(series: Series) -> Curve:
    """The curve of `agreement_series`: its line, the band between its two edges, the gate."""
    middle, highs, lows = (line.values for line in series.lines)
    gate = series.gate or 0.0
    # Bands of nearly empty steps are wide: they may leave the picture, the line and the gate may not.
    seen = sorted(value for value in (*middle, gate) if value is not None)
    floor = max(0.0, seen[0] - _ROOM * max(1.0 - seen[0], 0.001))
    places = _places(series.times)
    return Curve(
        line="".join(_polyline(run) for run in _runs(places, middle, floor)),
        band="".join(
            _area(upper, lower)
            for upper, lower in zip(_runs(places, highs, floor), _runs(places, lows, floor), strict=True)
        ),
        gate=_down(gate, floor),
        across=_moments(series.times),
        down=_shares(floor),
    )


def _places(times: Sequence[float]) -> list[float]:
    length = max(times[-1] - times[0], 1e-9)
    return [WIDTH * (time - times[0]) / length for time in times]


def _down(value: float, floor: float) -> float:
    share = (1.0 - value) / max(1.0 - floor, 1e-9)
    return HEIGHT * min(max(share, 0.0), 1.0)


def _runs(
    places: Sequence[float], values: Sequence[float | None], floor: float
) -> list[list[tuple[float, float]]]:
    """The points of each stretch without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for place, value in zip(places, values, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((place, _down(value, floor)))
    return [run for run in runs if run]


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    # A point alone gets a dash, else it would not be seen.
    pairs = (
        points if len(points) > 1 else [(points[0][0] - 2, points[0][1]), (points[0][0] + 2, points[0][1])]
    )
    return "M" + "L".join(f"{x:.1f} {y:.2f}" for x, y in pairs)


def _area(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
    return _polyline([*upper, *reversed(lower)]) + "Z"


def _moments(times: Sequence[float]) -> tuple[Tick, ...]:
    length = times[-1] - times[0]
    shares = [number / _TICKS_ACROSS for number in range(_TICKS_ACROSS + 1)]
    cut = slice(0, 16) if length > 86_400 else slice(11, 16 if length > 600 else 19)
    return tuple(
        Tick(at=100 * share, label=moment(int(1e6 * (times[0] + share * length)))[cut]) for share in shares
    )


def _shares(floor: float) -> tuple[Tick, ...]:
    """Round shares from the top, four or fewer."""
    step = (1.0 - floor) / _TICKS_DOWN
    power = 10.0 ** math.floor(math.log10(max(step, 1e-9)))
    step = next(digit * power for digit in _ROUND if digit * power >= step * (1 - 1e-9))
    count = math.floor((1.0 - floor) / step + 1e-9)
    values = [max(0.0, 1.0 - number * step) for number in range(count + 1)]
    return tuple(Tick(at=_down(value, floor), label=percent(value)) for value in values)
