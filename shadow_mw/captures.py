"""Captures: how much of features and predictions spans and records keep, as `SHADOW_CAPTURE` says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

import msgspec

from shadow_mw.records import Kept

_KEPT: tuple[Kept, ...] = get_args(Kept)
_SINKS, _SUBJECTS = ("spans", "records"), ("features", "predictions")
_PLACES = (*_SINKS, *_SUBJECTS, *(f"{sink}.{subject}" for sink in _SINKS for subject in _SUBJECTS))


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of each. Immutable.

    Spans hold no features, whatever is said of them.
    """

    span_features: Kept = "full"
    span_predictions: Kept = "full"
    record_features: Kept = "full"
    record_predictions: Kept = "full"

    @property
    def has_hash(self) -> bool:
        """True when anything is kept as a hash."""
        return "hash" in msgspec.structs.astuple(self)


def parse_capture(text: str) -> Capture:
    """`hash`, or `spans=none, records.features=hash`: what is said more exactly counts.

    Of two that are said alike, as `spans=full, predictions=none`, that which keeps less counts.

    Raises:
        ValueError: a word is not known, or a place is named twice.

    """
    said: dict[str, Kept] = {}
    for item in filter(None, map(str.strip, re.split("[,\n]", text))):
        place, _, kept = (part.strip().lower() for part in item.rpartition("="))
        if kept not in _KEPT or place not in ("", *_PLACES) or ("=" in item and not place):
            raise ValueError(
                f"{item!r} is not understood: write full, hash or none, or one of these for a place, as in "
                f"records.features=hash; places are {', '.join(_PLACES)}"
            )
        if place in said:
            raise ValueError(f"{item!r} is the second that is said of {place or 'everything'}: leave one out")
        said[place] = kept
    cells = {f"{sink[:-1]}_{subject}": _kept(said, sink, subject) for sink in _SINKS for subject in _SUBJECTS}
    return Capture(**cells)


def _kept(said: Mapping[str, Kept], sink: str, subject: str) -> Kept:
    for places in ((f"{sink}.{subject}",), (sink, subject), ("",)):
        found = [said[place] for place in places if place in said]
        if found:
            return max(found, key=_KEPT.index)
    return "full"
