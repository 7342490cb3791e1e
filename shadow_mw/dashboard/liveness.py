"""Liveness: whether anything is mirrored right now, and if not, why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from shadow_mw.analysis.restraint import ALIVE_US, held_back_now
from shadow_mw.records import BUCKETS, Pulse

_SECOND_US = 1_000_000
_FRESH_US = 60 * _SECOND_US
#: How far back it is looked for a reason.
RECENT_US = 600 * _SECOND_US

Tone = Literal["pass", "fail", "unknown"]

_REASONS = {
    "shadow_error": "the shadow fails",
    "shadow_timeout": "the shadow does not answer in time (SHADOW_TIMEOUT_SECONDS)",
    "circuit_open": "its circuit is open",
    "queue_full": "the queue is full (SHADOW_QUEUE_SIZE, SHADOW_QUEUE_BYTES), or what comes is too old "
    "(SHADOW_MAX_AGE_SECONDS)",
    "too_large": "the bodies are too large (SHADOW_MAX_BODY_BYTES)",
    "production_error": "production itself fails",
    "worker_lost": "the worker ended before it was done",
}


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a shadow is mirrored to right now. Immutable."""

    tone: Tone
    sentence: str
    since_us: int | None
    """The moment that the sentence is about: the last exchange, or the last sign of life."""
    since_label: str
    circuit: str
    """`closed`, `half-open` or `open`, the worst of all workers; empty without a worker."""
    active: int
    limit: int
    waiting: int
    workers: int
    """Workers that gave a sign of life lately."""


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of a shadow's last minutes. Immutable."""

    pulses: tuple[Pulse, ...]
    """The latest of each worker."""
    recent: dict[str, int]
    """What was counted lately, by the words of the books."""
    last_exchange_us: int | None


def liveness(signs: Signs, now_us: int) -> Liveness:
    """What the signs say together now."""
    pulses, last_exchange_us = signs.pulses, signs.last_exchange_us
    recent = Counter(signs.recent)
    alive = [pulse for pulse in pulses if now_us - pulse.ts_us <= ALIVE_US]
    last_pulse_us = max((pulse.ts_us for pulse in pulses), default=None)
    tone, sentence = _judged(alive, last_pulse_us, recent, last_exchange_us, now_us)
    is_silent = (
        tone != "pass" and not alive and last_pulse_us is not None and last_pulse_us > (last_exchange_us or 0)
    )
    return Liveness(
        tone=tone,
        sentence=sentence,
        since_us=last_pulse_us if is_silent else last_exchange_us,
        since_label="last sign of life" if is_silent else "last exchange",
        circuit=_worst(alive),
        active=sum(pulse.active for pulse in alive),
        limit=sum(pulse.limit for pulse in alive),
        waiting=sum(pulse.waiting for pulse in alive),
        workers=len(alive),
    )


def _judged(
    alive: Sequence[Pulse], last_pulse_us: int | None, recent: Counter[str], last_us: int | None, now_us: int
) -> tuple[Tone, str]:
    if "open" in {pulse.circuit for pulse in alive}:
        return (
            "fail",
            "Not asked right now: its circuit is open, because the shadow kept failing or asked for a pause.",
        )
    if sentence := held_back_now(alive, now_us):
        return "unknown", sentence
    if last_us is not None and now_us - last_us <= _FRESH_US:
        return "pass", "Mirrored right now."
    if not alive and last_pulse_us is not None:
        return (
            "fail",
            "Not mirrored: no worker runs. It starts with the first predict call, or by `shadow-mw worker`.",
        )
    if reason := _reason(recent):
        return "fail", f"Not mirrored right now: {reason}."
    if not alive:
        return "unknown", "Not mirrored right now: no worker has given a sign of life."
    return "unknown", "Ready, and nothing to mirror: no predict call comes in."


def _reason(recent: Counter[str]) -> str:
    """Why what came in lately led to no comparison; empty where nothing came in."""
    losses = Counter({word: recent[word] for word in BUCKETS if word in _REASONS and recent[word]})
    if losses:
        return _REASONS[losses.most_common(1)[0][0]]
    if recent["not_sampled"] and not recent["eligible"]:
        return "predict calls come in, and SHADOW_SAMPLE_RATE leaves all of them out"
    if recent["governed"] and not recent["eligible"]:
        return "the governor leaves out all calls, because the host is busy or mirroring takes too long"
    if recent["loop"] and not recent["eligible"]:
        return "all that comes in are requests of a shadow"
    return ""


def _worst(alive: Sequence[Pulse]) -> str:
    found = {pulse.circuit for pulse in alive}
    return next((state for state in ("open", "half-open", "closed") if state in found), "")
