"""Segments of the traffic where the shadow disagrees more than elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from shadow_mw.stats.libraries import needs_scipy
from shadow_mw.stats.ratio import Ratio, wilson_interval


class SegmentVerdicts(Protocol):
    """The verdicts where a feature `key` had one value."""

    @property
    def key(self) -> str:
        """The name of the feature."""

    @property
    def value(self) -> str:
        """Its value."""

    @property
    def agree(self) -> int:
        """Agreements: every `sampling`-th was counted, and the count multiplied by that."""

    @property
    def disagree(self) -> int:
        """Disagreements, all of them."""

    @property
    def sampling(self) -> int:
        """1 where all agreements were counted."""


class SegmentFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One segment against the rest of the traffic that has the same feature. Immutable."""

    key: str
    value: str
    agreement: Ratio
    """Of the segment."""
    others: Ratio
    """Agreement of the rest."""
    p_value: float
    """Of "disagreement is no more frequent here than elsewhere"."""
    q_value: float
    """The p-value, corrected for the number of segments."""
    times: float | None
    """How many times the rest's disagreement; None where the rest has none."""


@needs_scipy
def worst_segments(
    counts: Iterable[SegmentVerdicts], confidence: float = 0.95, limit: int = 10, least: int = 30
) -> tuple[SegmentFinding, ...]:
    """The segments where disagreement is most frequent; those whose `q_value` is significant come first.

    Ordered by the lower bound of their disagreement; segments of fewer than `least` verdicts are left out.
    The test is Fisher's exact one, one-sided, of the segment against the rest: unlike a binomial test it
    does not take the rest's rate for known, and it depends on the odds ratio alone, so that it stays exact
    where only a sample of the agreements was counted (J. Cornfield, Journal of the National Cancer
    Institute 11, 1951). Many segments are corrected for by Y. Benjamini and Y. Hochberg, Journal of the
    Royal Statistical Society B 57 (1995). Intervals are Wilson's of the odds that were counted.

    Raises:
        ValueError: `confidence` is not between 0 and 1.
        MissingExtraError: scipy is not installed.

    """
    rows = tuple(counts)
    verdicts: Counter[str] = Counter()
    disagreements: Counter[str] = Counter()
    for row in rows:
        verdicts[row.key] += row.agree + row.disagree
        disagreements[row.key] += row.disagree
    tested = [_Segment(row, verdicts[row.key], disagreements[row.key]) for row in rows]
    tested = [segment for segment in tested if segment.verdicts >= least]
    p_values = _p_values(tested)
    findings = [
        segment.finding(p_value, q_value, confidence)
        for segment, p_value, q_value in zip(tested, p_values, _q_values(p_values), strict=True)
    ]
    findings.sort(
        key=lambda found: (found.q_value > 1 - confidence, found.agreement.high, found.key, found.value)
    )
    return tuple(findings[:limit])


class _Segment:
    """One segment and what lies outside it."""

    def __init__(self, row: SegmentVerdicts, verdicts: int, disagreements: int) -> None:
        self._row = row
        self.sampling = max(1, row.sampling)
        self.verdicts = row.agree + row.disagree
        self.disagree = row.disagree
        self.other_verdicts = verdicts - self.verdicts
        self.other_disagree = disagreements - row.disagree

    @property
    def counted(self) -> tuple[int, int, int, int]:
        """What was really counted: all, all disagreements, all of the segment, its disagreements."""
        inside = self.disagree + (self.verdicts - self.disagree) // self.sampling
        outside = self.other_disagree + (self.other_verdicts - self.other_disagree) // self.sampling
        return inside + outside, self.disagree + self.other_disagree, inside, self.disagree

    def finding(self, p_value: float, q_value: float, confidence: float) -> SegmentFinding:
        others = _agreement(self.other_disagree, self.other_verdicts, self.sampling, confidence)
        rate = self.disagree / self.verdicts
        return SegmentFinding(
            key=self._row.key,
            value=self._row.value,
            agreement=_agreement(self.disagree, self.verdicts, self.sampling, confidence),
            others=others,
            p_value=p_value,
            q_value=q_value,
            times=rate * self.other_verdicts / self.other_disagree if self.other_disagree else None,
        )


def _p_values(segments: Sequence[_Segment]) -> list[float]:
    from scipy.stats import hypergeom

    if not segments:
        return []
    total, marked, drawn, found = zip(*(segment.counted for segment in segments), strict=True)
    above: list[float] = (
        hypergeom.sf([count - 1 for count in found], total, marked, drawn).clip(0, 1).tolist()
    )
    return above


def _q_values(p_values: list[float]) -> list[float]:
    from scipy.stats import false_discovery_control

    return [float(value) for value in false_discovery_control(p_values)] if p_values else []


def _agreement(disagree: int, verdicts: int, sampling: int, confidence: float) -> Ratio:
    """Agreement, its interval from what was counted: of that, disagreements are `sampling` times as many."""
    agree = verdicts - disagree
    counted = agree // sampling
    low, high = (_thinned(end, sampling) for end in wilson_interval(disagree, disagree + counted, confidence))
    rate = agree / verdicts if verdicts else None
    return Ratio(successes=agree, trials=verdicts, rate=rate, low=1 - high, high=1 - low)


def _thinned(share: float, sampling: int) -> float:
    """A share of disagreements once every agreement stands for `sampling`."""
    return share / (share + (1 - share) * sampling)
