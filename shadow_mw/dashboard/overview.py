"""The overview: all that the first page shows of one shadow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from shadow_mw import questions
from shadow_mw.analysis.analysis import Analysis, analyse
from shadow_mw.analysis.criteria import Criteria
from shadow_mw.analysis.decision import Decision, decide
from shadow_mw.dashboard.liveness import RECENT_US, Signs
from shadow_mw.dashboard.selection import Selection
from shadow_mw.dashboard.series import Series, agreement_series, latency_series, traffic_series
from shadow_mw.dashboard.shapes import Shape, difference_shape, latency_shape
from shadow_mw.dashboard.steps import step_for
from shadow_mw.protocols import Reader
from shadow_mw.questions import Listed, Seen
from shadow_mw.scope import Scope

LISTED = 10
_MINUTE_US = 60_000_000


class Menu(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to pick from, and what is picked. Immutable."""

    shadows: tuple[str, ...]
    routes: tuple[str, ...]
    shadow: str
    """The one that is shown; empty where the store has none."""
    first_us: int | None = None
    last_us: int | None = None
    """When the shadow was seen for the last time."""


class Charts(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn; None for what there is too little of. Immutable."""

    agreement: Series | None
    latency: Series | None
    traffic: Series | None
    latencies: Shape | None
    differences: Shape | None
    step_us: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the API answers: an analysis and what follows from it. Immutable."""

    analysis: Analysis
    decision: Decision


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All that the first page shows. Immutable."""

    analysis: Analysis
    decision: Decision
    criteria: Criteria
    signs: Signs
    charts: Charts
    disagreements: tuple[Listed, ...]
    """The newest."""
    per_minute: float | None
    """Eligible requests a minute, over the minutes of the period."""


def read_menu(found: Sequence[Seen], selection: Selection) -> Menu:
    """The shadows and routes of a store; a shadow that is not there stays picked, and shows nothing."""
    shadows = tuple(dict.fromkeys(row.shadow for row in found if row.role == "shadow"))
    shadow = selection.shadow or next(iter(shadows), "")
    own = [row for row in found if row.shadow == shadow]
    return Menu(
        shadows=shadows,
        routes=tuple(sorted({row.route for row in found})),
        shadow=shadow,
        first_us=min((row.first_us for row in own), default=None),
        last_us=max((row.last_us for row in own), default=None),
    )


def make_verdict(reader: Reader, scope: Scope, criteria: Criteria) -> Verdict:
    """The analysis of a scope, and the decision.

    Raises:
        StoreError: the store could not be read.

    """
    analysis = analyse(reader, scope, confidence=criteria.confidence)
    return Verdict(analysis=analysis, decision=decide(analysis, criteria))


def make_overview(reader: Reader, scope: Scope, criteria: Criteria, menu: Menu, now_us: int) -> Overview:
    """Everything about a scope, asked of the store now.

    Raises:
        StoreError: the store could not be read.

    """
    verdict = make_verdict(reader, scope, criteria)
    analysis = verdict.analysis
    length_us = _length_us(scope, menu, now_us)
    return Overview(
        analysis=analysis,
        decision=verdict.decision,
        criteria=criteria,
        signs=_signs(reader, menu, now_us),
        charts=_charts(reader, scope, criteria, step_for(length_us)),
        disagreements=questions.listing(reader, scope, only="disagree", limit=LISTED),
        per_minute=analysis.account.eligible / max(length_us / _MINUTE_US, 1.0),
    )


def _charts(reader: Reader, scope: Scope, criteria: Criteria, step_us: int) -> Charts:
    # Tallies are by the minute.
    traffic_step_us = max(step_us, _MINUTE_US)
    histograms = questions.latencies(reader, scope)
    return Charts(
        agreement=agreement_series(
            questions.agreement_over_time(reader, scope, step_us),
            step_us,
            criteria.min_agreement,
            criteria.confidence,
        ),
        latency=latency_series(questions.latency_over_time(reader, scope, step_us), step_us),
        traffic=traffic_series(questions.traffic_over_time(reader, scope, traffic_step_us), traffic_step_us),
        latencies=latency_shape(histograms.production, histograms.shadow),
        differences=difference_shape(questions.latency_pairs(reader, scope)),
        step_us=step_us,
    )


def _signs(reader: Reader, menu: Menu, now_us: int) -> Signs:
    lately = questions.books(reader, Scope(shadow=menu.shadow, since_us=now_us - RECENT_US))
    newest = questions.listing(reader, Scope(shadow=menu.shadow, since_us=now_us - RECENT_US), limit=1)
    return Signs(
        pulses=tuple(pulse for pulse in questions.pulses(reader) if pulse.shadow == menu.shadow),
        recent=sum(lately.values(), Counter()),
        last_exchange_us=newest[0].ts_us if newest else menu.last_us,
    )


def _length_us(scope: Scope, menu: Menu, now_us: int) -> int:
    begin = max(scope.since_us or 0, menu.first_us or 0)
    end = min(scope.until_us or now_us, (menu.last_us or now_us) + _MINUTE_US)
    return max(end - begin, 1)
