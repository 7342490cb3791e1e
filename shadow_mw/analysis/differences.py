"""Differences: where the predictions differ, how their distributions moved, and what of it is noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from shadow_mw.questions.noise import Noise
from shadow_mw.questions.places import LabelPair, PathCount
from shadow_mw.stats import Estimate, Ratio, ratio
from shadow_mw.stats.drift import psi, score_psi
from shadow_mw.stats.kappa import kappa
from shadow_mw.stats.mcnemar import error_increase
from shadow_mw.stats.noise import excess


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place inside the prediction where disagreements differ. Immutable."""

    path: str
    count: int
    """How many disagreements differ here."""
    is_regression: bool | None = None
    """True where the shadow differs significantly more than production's twin does, False where that may
    be noise; None without a control."""
    p_value: float | None = None


class NoiseFloor(msgspec.Struct, frozen=True, kw_only=True):
    """How far production agrees with its own twin, on requests that the shadow was asked too. Immutable."""

    pairs: int
    shadow_only: int
    """On how many of them the shadow disagrees and the twin does not."""
    control_only: int
    control: Ratio
    """The agreement of production with its twin."""
    excess: Estimate
    """The share by which the shadow disagrees more often than the twin."""


class LabelChange(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of labels that stood against each other, and how often."""

    production: str
    shadow: str
    count: int


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """How the labels of both sides are distributed. Immutable."""

    kappa: Estimate
    """Cohen's kappa: agreement beyond chance."""
    label_psi: float | None
    """Population stability index of the shadow's labels against production's; None without labels."""
    score_psi: float | None
    """The same of the scores."""
    changes: tuple[LabelChange, ...]
    """The most frequent changes of label first, at most ten."""


_LISTED = 10


def places(paths: Sequence[PathCount], noise: Noise, confidence: float) -> tuple[Place, ...]:
    """The places that differ most, judged against the control where there is one."""
    found = {path.path: Place(path=path.path, count=path.n) for path in paths}
    if not noise.pairs:
        return tuple(found.values())
    p_values = excess([(path.shadow_only, path.control_only) for path in noise.paths])
    for path, p_value in zip(noise.paths, p_values, strict=True):
        if path.path in found:
            place = found[path.path]
            found[path.path] = msgspec.structs.replace(
                place, p_value=p_value, is_regression=p_value <= 1 - confidence
            )
    return tuple(found.values())


def noise_floor(noise: Noise, confidence: float) -> NoiseFloor | None:
    """The noise floor, or None without a control."""
    if not noise.pairs:
        return None
    both = noise.pairs - noise.shadow_only - noise.control_only - noise.both
    return NoiseFloor(
        pairs=noise.pairs,
        shadow_only=noise.shadow_only,
        control_only=noise.control_only,
        control=ratio(both + noise.shadow_only, noise.pairs, confidence),
        excess=error_increase(both, noise.shadow_only, noise.control_only, noise.both, confidence),
    )


def distribution(
    labels: Sequence[LabelPair], scores: Sequence[tuple[float, float]], confidence: float
) -> Distribution | None:
    """How labels and scores are distributed, or None where the comparator knows neither."""
    if not labels and not scores:
        return None
    pairs = {(pair.production_label, pair.shadow_label): pair.n for pair in labels}
    production: Counter[str] = Counter()
    shadow: Counter[str] = Counter()
    for (left, right), count in pairs.items():
        production[left] += count
        shadow[right] += count
    changed = sorted(
        (pair for pair in labels if pair.production_label != pair.shadow_label), key=lambda pair: -pair.n
    )
    return Distribution(
        kappa=kappa(pairs, confidence),
        label_psi=psi(production, shadow) if labels else None,
        score_psi=score_psi(scores) if scores else None,
        changes=tuple(
            LabelChange(production=pair.production_label, shadow=pair.shadow_label, count=pair.n)
            for pair in changed[:_LISTED]
        ),
    )
