"""Disclosure: how much of a comparison records and spans may have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from shadow_mw.captures import Capture
from shadow_mw.compare.choice import Comparators
from shadow_mw.digests import Digest
from shadow_mw.protocols import Pair
from shadow_mw.records import Comparison, Judgement, Kept
from shadow_mw.redaction import Redactor
from shadow_mw.worker.differences import shown_paths
from shadow_mw.worker.sentences import kind_of, scrubbed, sentence


class Side(msgspec.Struct, frozen=True):
    """One decoded value, or why there is none."""

    value: Any = None
    text: str = ""
    """The value as records and spans show it: redacted, as JSON, cut."""
    is_cut: bool = False
    error: str = ""
    shown: Any = None
    """The value, redacted."""
    payload: Any = None
    """What the value is a part of, not redacted."""
    is_hidden: bool = False
    """True where something of the payload was redacted."""


class Disclosure:
    """Takes out of comparisons what `SHADOW_REDACT` and `SHADOW_CAPTURE` say. Not thread-safe."""

    def __init__(
        self, redactor: Redactor, capture: Capture, digest: Digest | None, comparators: Comparators | None
    ) -> None:
        """Take what redacts, what is captured, and what hashes.

        Labels and scores of predictions that were redacted are read by these `comparators`, which judge
        nothing; without them there are none.
        """
        self._redactor = redactor
        self._capture = capture
        self._digest = digest
        self._comparators = comparators

    def of(
        self, comparison: Comparison, features: Side, production: Side, shadow: Side
    ) -> tuple[Comparison, Comparison]:
        """The comparison as the record has it, and as spans do: often one and the same."""
        said = self._with_clean_sentences(comparison, (features, production, shadow))
        if production.is_hidden or shadow.is_hidden:
            said = self._redacted(said, features, production, shadow)
        capture, sides = self._capture, (features, production, shadow)
        record = self._kept(said, capture.record_features, capture.record_predictions, sides)
        if (capture.record_features, capture.record_predictions) == (
            capture.span_features,
            capture.span_predictions,
        ):
            return record, record
        return record, self._kept(said, capture.span_features, capture.span_predictions, sides)

    def _with_clean_sentences(self, comparison: Comparison, sides: Iterable[Side]) -> Comparison:
        if not (comparison.error or comparison.reason):
            return comparison
        hidden = list(self._hidden(sides))
        return msgspec.structs.replace(
            comparison,
            error=sentence(scrubbed(comparison.error, hidden)),
            reason=sentence(scrubbed(comparison.reason, hidden)),
        )

    def _hidden(self, sides: Iterable[Side]) -> Iterator[Any]:
        for side in sides:
            yield from self._redactor.hidden(side.payload)

    def _redacted(self, comparison: Comparison, features: Side, production: Side, shadow: Side) -> Comparison:
        """With what the redacted predictions say of labels, scores and places."""
        pair = Pair(production.shown, shadow.shown, features.shown, comparison.route)
        facts = self._facts(comparison, pair)
        return msgspec.structs.replace(
            comparison,
            production_label=facts.production_label,
            shadow_label=facts.shadow_label,
            production_score=facts.production_score,
            shadow_score=facts.shadow_score,
            diff_paths=shown_paths(comparison.diff_paths, (production.shown, shadow.shown)),
        )

    def _facts(self, comparison: Comparison, shown: Pair) -> Judgement:
        if self._comparators is not None and comparison.verdict in ("agree", "disagree"):
            with contextlib.suppress(
                Exception
            ):  # a comparator is the user's code; the verdict is there already
                return self._comparators.of(comparison.route).compare(shown)
        return Judgement(verdict="none")

    def _kept(
        self, comparison: Comparison, features: Kept, predictions: Kept, sides: tuple[Side, Side, Side]
    ) -> Comparison:
        if features == predictions == "full":
            return comparison
        asked, production, shadow = sides
        changes: dict[str, Any] = {
            "features_kept": features,
            "predictions_kept": predictions,
            "error": kind_of(comparison.error),
            "reason": "" if comparison.comparator.startswith("python:") else kind_of(comparison.reason),
            "truncated": (asked.is_cut and features == "full")
            or ((production.is_cut or shadow.is_cut) and predictions == "full"),
        }
        if features != "full":
            changes |= self._features(comparison, asked, features)
        if predictions != "full":
            changes |= self._predictions(comparison, production, shadow, predictions)
        return msgspec.structs.replace(comparison, **changes)

    def _features(self, comparison: Comparison, side: Side, kept: Kept) -> dict[str, Any]:
        segments = comparison.segments if kept == "hash" else {}
        return {
            "features": self._hash(side, kept),
            "segments": {name: self._digested(text) for name, text in segments.items()},
        }

    def _predictions(
        self, comparison: Comparison, production: Side, shadow: Side, kept: Kept
    ) -> dict[str, Any]:
        """Numbers have no hash that is a number, and paths may hold keys that a model made up."""
        labels = (comparison.production_label, comparison.shadow_label)
        hashed = [None if label is None or kept == "none" else self._digested(label) for label in labels]
        return {
            "production_prediction": self._hash(production, kept),
            "shadow_prediction": self._hash(shadow, kept),
            "production_label": hashed[0],
            "shadow_label": hashed[1],
            "production_score": None,
            "shadow_score": None,
            "diff_paths": (),
        }

    def _hash(self, side: Side, kept: Kept) -> str:
        return self._digested(side.value) if kept == "hash" and side.value is not None else ""

    def _digested(self, value: Any) -> str:
        """Nothing for what has no hash: it is nested too deep."""
        try:
            return self._digest(value) if self._digest is not None else ""
        except ValueError:
            return ""
