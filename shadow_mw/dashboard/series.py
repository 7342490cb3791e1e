"""Series: what uPlot draws, as plain data; the page's script adds nothing to it but colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from shadow_mw.dashboard.steps import filled, nearest_rank
from shadow_mw.questions import AgreementStep, LatencyStep, TrafficStep, bin_us
from shadow_mw.stats.ratio import wilson_interval

_ASKED_AND_ANSWERED = ("compared", "incomparable")


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a chart. Immutable."""

    label: str
    values: tuple[float | None, ...]
    ink: str
    """The name of a colour of the style sheet."""
    style: str = "line"
    """`line`, `thin`, `dashed`, `edge` (the border of a band) or `area`."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One chart over time. Immutable."""

    unit: str
    """`share`, `seconds` or `count`."""
    times: tuple[float, ...]
    """Seconds of Unix time."""
    lines: tuple[Line, ...]
    band: tuple[int, int] | None = None
    """The places of the two lines between which is filled."""
    gate: float | None = None
    """The limit that is drawn across."""


def agreement_series(
    found: Sequence[AgreementStep], step_us: int, gate: float, confidence: float
) -> Series | None:
    """Agreement of each step with its Wilson band; None where there are not two."""
    steps = filled({step.start_us: step for step in found}, step_us)
    if len(found) < 2:
        return None
    bands = [
        (None, None) if step is None else wilson_interval(step.agree, step.agree + step.disagree, confidence)
        for _, step in steps
    ]
    rates = [None if step is None else step.agree / (step.agree + step.disagree) for _, step in steps]
    return Series(
        unit="share",
        times=_times(steps),
        lines=(
            Line(label="agreement", values=tuple(rates), ink="shadow"),
            Line(label="at most", values=tuple(high for _, high in bands), ink="shadow", style="edge"),
            Line(label="at least", values=tuple(low for low, _ in bands), ink="shadow", style="edge"),
        ),
        band=(1, 2),
        gate=gate,
    )


def latency_series(found: Sequence[LatencyStep], step_us: int) -> Series | None:
    """Median and 95th percentile of both sides in each step; None where there are not two."""
    steps = filled({step.start_us: step for step in found}, step_us)
    if len(found) < 2:
        return None
    lines = [
        Line(label=f"{side} {name}", values=_quantiles(steps, side, share), ink=side, style=style)
        for name, share, style in (("p50", 0.5, "thin"), ("p95", 0.95, "line"))
        for side in ("production", "shadow")
    ]
    return Series(unit="seconds", times=_times(steps), lines=tuple(lines))


def traffic_series(found: Sequence[TrafficStep], step_us: int) -> Series | None:
    """Eligible requests of each step, and those of them that were compared; None where there are not two."""
    if len(found) < 2:
        return None
    steps = filled({step.start_us: step for step in found}, step_us)
    return Series(
        unit="count",
        times=_times(steps),
        lines=(
            Line(
                label="eligible",
                values=tuple(0 if step is None else step.eligible for _, step in steps),
                ink="text",
            ),
            Line(
                label="answered by both",
                values=tuple(
                    0 if step is None else sum(step.counts.get(word, 0) for word in _ASKED_AND_ANSWERED)
                    for _, step in steps
                ),
                ink="pass",
                style="area",
            ),
        ),
    )


def _times(steps: Sequence[tuple[int, Any]]) -> tuple[float, ...]:
    return tuple(start / 1e6 for start, _ in steps)


def _quantiles(
    steps: Sequence[tuple[int, LatencyStep | None]], side: str, share: float
) -> tuple[float | None, ...]:
    bins = (None if step is None else nearest_rank(getattr(step, side), share) for _, step in steps)
    return tuple(None if bin_ is None else round(bin_us(bin_) / 1e6, 7) for bin_ in bins)
