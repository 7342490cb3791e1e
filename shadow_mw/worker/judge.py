"""The judge: both sides of an exchange in, one comparison out, as records and as spans may have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from shadow_mw.captures import Capture
from shadow_mw.compare.choice import Comparators
from shadow_mw.exceptions import PayloadError
from shadow_mw.ids import record_id_of
from shadow_mw.payload import decode_payload, encode_text, extract
from shadow_mw.protocols import Pair
from shadow_mw.records import (
    Bucket,
    CapturedRequest,
    CapturedResponse,
    Comparison,
    Headers,
    Judgement,
    Outcome,
    Role,
)
from shadow_mw.redaction import REDACTED, Redactor
from shadow_mw.worker.disclosure import Disclosure, Side

_UNSEEN = "the prediction could not be captured: the server sent the body by itself, or it has no JSON"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Who records: the same for every comparison of a worker."""

    service: str = ""
    instance: str = ""
    queue: str = ""
    production_version: str = ""


class SpanIds(msgspec.Struct, frozen=True):
    """Where the spans of a comparison are found, as hex digits."""

    trace_id: str = ""
    production: str = ""
    shadow: str = ""


class Judged(msgspec.Struct, frozen=True):
    """One comparison, for either kind of reader."""

    record: Comparison
    """As the store keeps it."""
    told: Comparison
    """As spans tell of it."""


class Judge:
    """Decodes, redacts and compares; never raises for what a model or a comparator did."""

    def __init__(
        self,
        comparators: Comparators,
        redactor: Redactor,
        origin: Origin,
        *,
        prediction: str,
        features: str,
        max_body_bytes: int,
        record_chars: int,
        segments: Callable[[Any], dict[str, str]],
        conceal: Callable[[Any], Any] = lambda payload: payload,
        disclosure: Disclosure | None = None,
    ) -> None:
        """Take the JMESPath of prediction and features, the caps of bodies and texts, and what segments.

        `conceal` does to a shadow's answer what was done to production's before it left the host.
        `disclosure` says how much of a comparison may be known where; without it, all of it.
        """
        self._conceal = conceal
        self._disclosure = disclosure or Disclosure(redactor, Capture(), None, None)
        self._comparators = comparators
        self._segments = segments
        self._redactor = redactor
        self._origin = origin
        self._prediction = prediction
        self._features = features
        self._max_body_bytes = max_body_bytes
        self._record_chars = record_chars

    def comparison(
        self,
        request: CapturedRequest,
        response: CapturedResponse,
        outcome: Outcome,
        *,
        shadow: str,
        role: Role = "shadow",
        waited_seconds: float,
        spans: SpanIds = SpanIds(),  # noqa: B008 immutable
    ) -> Judged:
        """The comparison of one exchange with one shadow; the judgement is made on the true values."""
        features = self._read(request.body, request.headers, self._features)
        production = self._production(response)
        answer = self._shadow(outcome)
        judgement = self._judge(request, response, outcome, features, production, answer)
        comparison = Comparison(
            **self._facts(request, response, outcome),
            **_verdict(judgement),
            record_id=record_id_of(request.ts_us, request.exchange_id, shadow),
            trace_id=spans.trace_id,
            production_span_id=spans.production,
            shadow_span_id=spans.shadow,
            shadow=shadow,
            role=role,
            bucket=bucket_of(response, outcome, judgement),
            queue_us=_microseconds(waited_seconds),
            comparator=self._comparators.of(request.route).name,
            segments=self._segments(features.shown),
            features=features.text,
            production_prediction=production.text,
            shadow_prediction=answer.text,
            truncated=features.is_cut or production.is_cut or answer.is_cut,
        )
        return Judged(*self._disclosure.of(comparison, features, production, answer))

    def _facts(
        self, request: CapturedRequest, response: CapturedResponse, outcome: Outcome
    ) -> dict[str, Any]:
        return {
            "request_id": request.request_id,
            "ts_us": request.ts_us,
            "service": request.service or self._origin.service,
            "instance": self._origin.instance,
            "queue": self._origin.queue,
            "production_version": request.production_version or self._origin.production_version,
            "route": request.route,
            "method": request.method,
            "sample_rate": request.sample_rate,
            "mode": request.mode,
            "outcome": outcome.outcome,
            "error_type": outcome.error_type,
            "error": outcome.error,
            "production_outcome": "error" if response.failure else "answered",
            "production_error_type": response.failure,
            "production_status": response.status,
            "shadow_status": outcome.status,
            "production_us": _microseconds(response.seconds),
            "shadow_us": _microseconds(outcome.seconds),
        }

    def _production(self, response: CapturedResponse) -> Side:
        if response.failure:
            return Side()
        if not response.is_body_captured:
            return Side(error=_UNSEEN)
        expression = "" if response.is_prediction else self._prediction
        return self._read(response.body, response.headers, expression)

    def _shadow(self, outcome: Outcome) -> Side:
        if not outcome.is_answered:
            return Side()
        expression = "" if outcome.is_prediction else self._prediction
        return self._read(outcome.body, outcome.headers, expression, self._conceal)

    def _read(
        self,
        body: bytes,
        headers: Headers,
        expression: str,
        conceal: Callable[[Any], Any] = lambda payload: payload,
    ) -> Side:
        payload = None
        try:
            payload = conceal(decode_payload(body, headers, max_bytes=self._max_body_bytes))
            value = extract(payload, expression)
        except PayloadError as error:
            return Side(error=str(error), payload=payload)
        redacted = self._redactor(payload)
        is_hidden = redacted is not payload
        # Redacted before the path is taken, for the path may lead right to what is to be hidden.
        shown = _shown(redacted, expression) if is_hidden else value
        text, is_cut = ("", False) if shown is None else encode_text(shown, self._record_chars)
        return Side(value, text, is_cut, shown=shown, payload=payload, is_hidden=is_hidden)

    def _judge(
        self,
        request: CapturedRequest,
        response: CapturedResponse,
        outcome: Outcome,
        features: Side,
        production: Side,
        answer: Side,
    ) -> Judgement:
        if response.failure or not outcome.is_answered:
            return Judgement(verdict="none")
        if production.error:
            return Judgement(verdict="incomparable", reason=f"production: {production.error}")
        if answer.error:
            return Judgement(verdict="incomparable", reason=f"shadow: {answer.error}")
        try:
            return self._comparators.of(request.route).compare(
                Pair(production.value, answer.value, features.value, request.route)
            )
        except Exception as error:  # noqa: BLE001 a comparator is the user's code; its error is recorded
            reason = f"the comparator raised {type(error).__name__}: {error}"
            return Judgement(verdict="incomparable", reason=reason)


def bucket_of(response: CapturedResponse, outcome: Outcome, judgement: Judgement) -> Bucket:
    """The one place in the closed books where this comparison ends."""
    if outcome.outcome == "circuit_open":
        return "circuit_open"
    if response.failure:
        return "production_error"
    if not outcome.is_answered:
        return "shadow_timeout" if outcome.outcome == "timeout" else "shadow_error"
    return "incomparable" if judgement.verdict == "incomparable" else "compared"


def _verdict(judgement: Judgement) -> dict[str, Any]:
    fields = msgspec.structs.asdict(judgement)
    if judgement.verdict not in ("agree", "disagree"):
        return fields | {"items": 0, "items_agree": 0}
    agreeing = judgement.items if judgement.verdict == "agree" else 0
    return fields if judgement.items_agree is not None else fields | {"items_agree": agreeing}


def _shown(redacted: Any, expression: str) -> Any:
    try:
        return extract(redacted, expression)
    except PayloadError:  # what is hidden stands above the value
        return REDACTED


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
