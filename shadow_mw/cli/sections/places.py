"""Where the two differ: segments of the features, and paths inside the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw.cli.sections.numbers import between, probability
from shadow_mw.cli.sections.section import Row, Section
from shadow_mw.dashboard.words import counted, percent

if TYPE_CHECKING:
    from shadow_mw.analysis.analysis import Analysis
    from shadow_mw.analysis.differences import Place
    from shadow_mw.stats.segments import SegmentFinding

_LISTED = 10
_WHOLE = "$"
_NOISE = {True: "regression", False: "may be noise", None: "not known"}


def segments(analysis: Analysis) -> Section:
    """The segments that disagree most, the significant ones marked."""
    level = 1 - analysis.confidence
    rows = tuple(_segment(one, level) for one in analysis.segments[:_LISTED])
    return Section(
        title="Segments that disagree most",
        head=("segment", "disagree", "interval", "of", "q"),
        rows=rows,
        notes=(f"q is the p-value corrected for many segments; what is at most {level:.3g} is marked *.",),
    )


def paths(analysis: Analysis) -> Section:
    """The paths that differ most; where there is a control, judged against its noise."""
    is_judged = analysis.noise is not None
    rows = tuple(_path(one, is_judged) for one in analysis.places[:_LISTED])
    head = ("path", "times", "against the twin", "q") if is_judged else ("path", "times")
    return Section(title="Where predictions differ", head=head, rows=rows)


def _segment(one: SegmentFinding, level: float) -> Row:
    share, is_significant = one.agreement, one.q_value <= level
    rate = None if share.rate is None else 1 - share.rate
    return Row(
        (
            f"{'* ' if is_significant else ''}{one.key} = {one.value}",
            percent(rate),
            between(percent(1 - share.high), percent(1 - share.low)),
            counted(share.trials),
            probability(one.q_value),
        ),
        "fail" if is_significant else "",
    )


def _path(place: Place, is_judged: bool) -> Row:
    name = "the whole prediction" if place.path == _WHOLE else place.path
    if not is_judged:
        return Row((name, counted(place.count)))
    cells = (name, counted(place.count), _NOISE[place.is_regression], probability(place.p_value))
    return Row(cells, "fail" if place.is_regression else "")
