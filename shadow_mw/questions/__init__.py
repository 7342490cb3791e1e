"""What a store is asked. Every engine answers with the same counts; all statistics are made from those.

=============  ===========================================================================================
`seen`         which shadows, controls and routes a store has
`books`        the closed books of one shadow, by route
`verdicts`     how often the predictions agreed, by route; `epochs`: under which comparator and version
`outcomes`     what became of both sides of each exchange
`latencies`    histograms of both sides in bins of 1 %, and a sample of pairs
`timelines`    agreement, latency and traffic over time
`places`       the paths that differ, the pairs of labels, a sample of the pairs of scores
`segments`     agreement by segment of the features
`noise`        where the shadow differs and the control does not
`truths`       right answers that were told later, against both predictions
`pulses`       each worker's latest sign of life
`repeats`      which records a store has already, of those that a broker may have delivered twice
`listing`      exchanges, one a row, and one exchange whole
=============  ===========================================================================================

Each takes a `protocols.Reader` and most a `Scope`, and returns frozen structs. Where a `Scope` is given the
answer is about the comparisons with its shadow (role `shadow`, so never a control's). Each raises StoreError
when the store cannot be read.
"""

from __future__ import annotations

from shadow_mw.questions.books import books
from shadow_mw.questions.latencies import Latencies, bin_of, bin_us, latencies, latency_pairs
from shadow_mw.questions.listing import Listed, Only, Order, WholeExchange, exchange, listing
from shadow_mw.questions.noise import Noise, PathNoise, noise
from shadow_mw.questions.outcomes import OutcomeCount, outcomes
from shadow_mw.questions.places import LabelPair, PathCount, label_pairs, paths, score_pairs
from shadow_mw.questions.pulses import pulses
from shadow_mw.questions.repeats import known_records
from shadow_mw.questions.seen import Seen, seen
from shadow_mw.questions.segments import SegmentCount, segments
from shadow_mw.questions.timelines import (
    AgreementStep,
    LatencyStep,
    TrafficStep,
    agreement_over_time,
    latency_over_time,
    traffic_over_time,
)
from shadow_mw.questions.truths import LabelTruth, ScoreErrors, label_truths, score_errors
from shadow_mw.questions.verdicts import Epoch, Verdicts, epochs, verdicts

__all__ = [
    "AgreementStep",
    "Epoch",
    "LabelPair",
    "LabelTruth",
    "Latencies",
    "LatencyStep",
    "Listed",
    "Noise",
    "Only",
    "Order",
    "OutcomeCount",
    "PathCount",
    "PathNoise",
    "ScoreErrors",
    "Seen",
    "SegmentCount",
    "TrafficStep",
    "Verdicts",
    "WholeExchange",
    "agreement_over_time",
    "bin_of",
    "bin_us",
    "books",
    "epochs",
    "exchange",
    "known_records",
    "label_pairs",
    "label_truths",
    "latencies",
    "latency_over_time",
    "latency_pairs",
    "listing",
    "noise",
    "outcomes",
    "paths",
    "pulses",
    "score_errors",
    "score_pairs",
    "seen",
    "segments",
    "traffic_over_time",
    "verdicts",
]
