"""Judging: each criterion held against the figures."""

from __future__ import annotations

import msgspec

from shadow_mw import figures
from shadow_mw.analysis.analysis import Analysis
from shadow_mw.analysis.criteria import Criteria, Criterion, Status
from shadow_mw.analysis.differences import NoiseFloor
from shadow_mw.stats import Estimate
from shadow_mw.stats.increase import increase_bounds
from shadow_mw.stats.segments import SegmentFinding
from shadow_mw.stats.sequence import sequence_bounds

_UNKNOWN = {
    "agreement": "No two predictions could be compared yet, so agreement is unknown.",
    "coverage": "No predict call was counted yet, so coverage is unknown.",
    "errors": "The shadow was not asked yet, so its error rate is unknown.",
    "latency": "No call was answered by both sides yet, so their latencies are unknown.",
    "segments": "No two predictions could be compared yet, so no segment can be judged.",
}


_ORDER: dict[Status, int] = {"pass": 0, "unknown": 1, "fail": 2}


def judge(analysis: Analysis, criteria: Criteria, window: str) -> tuple[Criterion, ...]:
    """Every criterion over one window; `window` stands before their names, as in `recent `."""
    found = (
        _samples(analysis, criteria),
        _agreement(analysis, criteria),
        _coverage(analysis, criteria),
        _errors(analysis, criteria),
        _latency(analysis, criteria),
        _segments(analysis, criteria),
    )
    if not window:
        return found
    return tuple(_named(criterion, window) for criterion in found)


def at_least(estimate: Estimate, limit: float) -> Status:
    """How a figure that must not be below a limit stands to it."""
    if estimate.value is None or estimate.low < limit <= estimate.high:
        return "unknown"
    return "pass" if estimate.low >= limit else "fail"


def at_most(estimate: Estimate, limit: float) -> Status:
    """How a figure that must not be above a limit stands to it."""
    if estimate.value is None or estimate.low <= limit < estimate.high:
        return "unknown"
    return "pass" if estimate.high <= limit else "fail"


def _named(criterion: Criterion, window: str) -> Criterion:
    sentence = f"{window.strip().capitalize()}: {criterion.sentence}"
    return msgspec.structs.replace(criterion, name=window + criterion.name, sentence=sentence)


def _criterion(name: str, status: Status, sentence: str, estimate: Estimate, limit: float) -> Criterion:
    return Criterion(
        name=name,
        status=status,
        sentence=sentence if estimate.value is not None or status == "pass" else _UNKNOWN[name],
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        limit=limit,
        n=estimate.n,
    )


def _samples(analysis: Analysis, criteria: Criteria) -> Criterion:
    n = analysis.agreement.share.trials
    wanted = criteria.min_samples
    is_enough = n >= wanted
    sentence = f"{figures.counted(n, 'verdict')}, {wanted:,} or more wanted."
    count = Estimate(value=float(n), low=float(n), high=float(n), n=n)
    return _criterion("samples", "pass" if is_enough else "unknown", sentence, count, float(wanted))


def _agreement(analysis: Analysis, criteria: Criteria) -> Criterion:
    if analysis.noise is not None:
        return _agreement_beyond_noise(analysis.noise, criteria)
    share, limit = analysis.agreement.share, criteria.min_agreement
    # Each end holds by itself at `confidence`, which is what a limit on one side asks for.
    low, high = sequence_bounds(share.successes, share.trials, criteria.confidence)
    estimate = Estimate(value=share.rate, low=low, high=high, n=share.trials)
    shown = figures.estimate(estimate, figures.precise)
    sentence = f"Agreement is {shown}; {figures.precise(limit)} or more wanted."
    return _criterion("agreement", at_least(estimate, limit), sentence, estimate, limit)


def _agreement_beyond_noise(noise: NoiseFloor, criteria: Criteria) -> Criterion:
    limit = 1 - criteria.min_agreement
    excess = _increase(noise.shadow_only, noise.control_only, noise.pairs, criteria.confidence)
    sentence = (
        f"The shadow disagrees {figures.estimate(excess, figures.points)} more often than production's own "
        f"twin; {figures.points(limit)} or less wanted."
    )
    return _criterion("agreement", at_most(excess, limit), sentence, excess, limit)


def _coverage(analysis: Analysis, criteria: Criteria) -> Criterion:
    coverage = analysis.account.coverage
    limit = criteria.min_coverage
    # Counted and not estimated: there is no interval to wait for.
    value = coverage.rate
    estimate = Estimate(value=value, low=value or 0.0, high=value or 0.0, n=coverage.trials)
    sentence = f"Coverage is {figures.precise(value)}; {figures.precise(limit)} or more wanted."
    return _criterion("coverage", at_least(estimate, limit), sentence, estimate, limit)


def _errors(analysis: Analysis, criteria: Criteria) -> Criterion:
    errors, limit = analysis.errors, criteria.max_error_increase
    increase = _increase(errors.shadow_failed, errors.production_failed, errors.asked, criteria.confidence)
    sentence = (
        f"The shadow's error rate exceeds production's by {figures.estimate(increase, figures.points)}; "
        f"{figures.points(limit)} or less wanted."
    )
    return _criterion("errors", at_most(increase, limit), sentence, increase, limit)


def _increase(shadow_only: int, production_only: int, asked: int, confidence: float) -> Estimate:
    """By how much the shadow's rate exceeds the other's; each bound holds by itself, at any look."""
    low, high = increase_bounds(shadow_only, production_only, asked, confidence)
    value = (shadow_only - production_only) / asked if asked else None
    return Estimate(value=value, low=low, high=high, n=asked)


def _latency(analysis: Analysis, criteria: Criteria) -> Criterion:
    ratio, limit = analysis.latency.paired.ratio_p95, criteria.max_latency_ratio
    sentence = (
        f"The shadow's p95 latency is {figures.estimate(ratio, figures.times)} production's; "
        f"{figures.times(limit)} or less wanted."
    )
    return _criterion("latency", at_most(ratio, limit), sentence, ratio, limit)


def _segments(analysis: Analysis, criteria: Criteria) -> Criterion:
    """The worst of the segments that are significantly worse than the rest: failing ones, then open ones."""
    limit = criteria.segment_limit
    findings = [finding for finding in analysis.segments if finding.q_value <= 1 - criteria.confidence]
    if not findings:
        n = analysis.agreement.share.trials
        none = Estimate(value=None, low=0.0, high=1.0, n=n)
        sentence = "No segment disagrees significantly more often than the rest."
        return _criterion("segments", "pass" if n else "unknown", sentence, none, limit)
    statuses = {finding: at_most(_disagreement(finding), limit) for finding in findings}
    worst = max(findings, key=lambda finding: (_ORDER[statuses[finding]], 1 - finding.agreement.high))
    disagreement = _disagreement(worst)
    sentence = (
        f"Where {figures.printable(worst.key)} is {figures.printable(worst.value)}, disagreement is "
        f"{figures.estimate(disagreement, figures.precise)}; {figures.precise(limit)} or less wanted."
    )
    return _criterion("segments", statuses[worst], sentence, disagreement, limit)


def _disagreement(finding: SegmentFinding) -> Estimate:
    share = finding.agreement
    value = None if share.rate is None else 1 - share.rate
    return Estimate(value=value, low=1 - share.high, high=1 - share.low, n=share.trials)
