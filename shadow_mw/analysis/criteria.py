"""Criteria: what a shadow must meet to be promoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from shadow_mw.settings import load_settings


class Criteria(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of the gate; all of them must hold. Immutable."""

    min_agreement: float = 0.99
    """The least agreement, 0.0 to 1.0."""
    max_latency_ratio: float = 1.2
    """The most that the shadow's p95 may be of production's."""
    max_error_increase: float = 0.001
    """The most by which the shadow's error rate may exceed production's."""
    min_coverage: float = 0.95
    """The least share of eligible requests that the shadow answered."""
    confidence: float = 0.95
    """How sure each criterion must be."""
    min_samples: int = 1000
    """The least number of agreements and disagreements."""
    max_segment_disagreement: float | None = None
    """The most disagreement in any one segment; None is three times what `min_agreement` allows."""

    @property
    def segment_limit(self) -> float:
        """The most disagreement in any one segment."""
        if self.max_segment_disagreement is not None:
            return self.max_segment_disagreement
        return min(1.0, 3 * (1 - self.min_agreement))


def load_criteria(given: Mapping[str, Any]) -> Criteria:
    """The limits that were given by their names, the others as `SHADOW_GATE_*` variables say.

    Raises:
        SettingsError: a limit is out of its range, or a variable is wrong.

    """
    settings = load_settings(**{f"gate_{name}": value for name, value in given.items()})
    return Criteria(**{name: getattr(settings, f"gate_{name}") for name in Criteria.__struct_fields__})


Status = Literal["pass", "fail", "unknown"]


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, and how the figures stand to it. Immutable."""

    name: str
    status: Status
    """`unknown` where the interval still holds the limit."""
    sentence: str
    value: float | None
    low: float | None
    high: float | None
    limit: float
    n: int
    """How many observations it rests on."""
