"""The analysis: everything the records say of one shadow."""

from __future__ import annotations

import msgspec

from shadow_mw.analysis.account import Account
from shadow_mw.analysis.accuracy import Accuracy, accuracy
from shadow_mw.analysis.agreement import Agreement
from shadow_mw.analysis.differences import (
    Distribution,
    NoiseFloor,
    Place,
    distribution,
    noise_floor,
    places,
)
from shadow_mw.analysis.errors import Errors, compare_errors
from shadow_mw.analysis.latency import LatencyComparison, compare_latency
from shadow_mw.analysis.period import Period, current_period
from shadow_mw.analysis.routes import RouteAnalysis, route_analyses
from shadow_mw.protocols import Reader
from shadow_mw.questions.books import books
from shadow_mw.questions.latencies import latencies, latency_pairs
from shadow_mw.questions.noise import noise
from shadow_mw.questions.outcomes import outcomes
from shadow_mw.questions.places import label_pairs, paths, score_pairs
from shadow_mw.questions.segments import segments
from shadow_mw.questions.truths import label_truths, score_errors
from shadow_mw.questions.verdicts import verdicts
from shadow_mw.scope import Scope
from shadow_mw.stats.segments import SegmentFinding, worst_segments


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the records say of one shadow. Immutable."""

    shadow: str
    period: Period
    confidence: float
    first_us: int | None
    """When the first comparison was made, in microseconds of Unix time; None where there is none."""
    last_us: int | None
    account: Account
    agreement: Agreement
    routes: tuple[RouteAnalysis, ...]
    latency: LatencyComparison
    errors: Errors
    distribution: Distribution | None
    """None where the comparator knows neither labels nor scores."""
    segments: tuple[SegmentFinding, ...]
    """Where agreement is worst, the worst first."""
    places: tuple[Place, ...]
    noise: NoiseFloor | None
    """None without a control."""
    accuracy: Accuracy | None
    """None while no truth is known."""


def analyse(reader: Reader, scope: Scope, *, confidence: float = 0.95) -> Analysis:
    """The analysis of a scope; one scan a question, no payloads.

    Raises:
        StoreError: the store could not be read.
        MissingExtraError: numpy or scipy is not installed.

    """
    period = current_period(reader, scope)
    scope = period.scope
    found, ways, differing = verdicts(reader, scope), outcomes(reader, scope), noise(reader, scope)
    total, *routes = route_analyses(books(reader, scope), found, ways, confidence)
    return Analysis(
        shadow=scope.shadow,
        period=period,
        confidence=confidence,
        first_us=min((row.first_us for row in found), default=None),
        last_us=max((row.last_us for row in found), default=None),
        account=total.account,
        agreement=total.agreement,
        routes=tuple(routes),
        latency=compare_latency(latencies(reader, scope), latency_pairs(reader, scope), confidence),
        errors=compare_errors(ways, confidence),
        distribution=distribution(label_pairs(reader, scope), score_pairs(reader, scope), confidence),
        segments=worst_segments(segments(reader, scope), confidence),
        places=places(paths(reader, scope), differing, confidence),
        noise=noise_floor(differing, confidence),
        accuracy=accuracy(label_truths(reader, scope), score_errors(reader, scope), confidence),
    )
