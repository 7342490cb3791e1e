"""The governor: mirrors less while mirroring costs production too much, or the host is too busy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from shadow_mw.boundary import Guard, tell
from shadow_mw.restraints import Restraint

#: Never less than this share of what is asked for: what is not mirrored at all can't be measured.
FLOOR = 0.01
FALL = 0.5
RISE = 0.05
#: Below this share of its limit a reading lets the rate rise; between the two it stays.
CALM = 0.8
_PERIOD_SECONDS = 0.9


class Gauge(msgspec.Struct, frozen=True):
    """One reading that has a limit. Immutable."""

    read: Callable[[float], float | None]
    """The reading where this share of the sample rate is in force; None where there is none."""
    limit: float
    words: Callable[[float, float], str]
    """Reading and limit as a reason."""


class Governor:
    """Sets the share of `SHADOW_SAMPLE_RATE` that is in force, about once a second. Never raises.

    Additive increase, multiplicative decrease, as TCP's congestion avoidance has it (RFC 5681, section 3.1;
    Chiu and Jain, 1989): half of it where a reading is over its limit, and a twentieth of the whole more
    where all are below four fifths of theirs.
    """

    def __init__(
        self,
        gauges: Sequence[Gauge],
        *,
        apply: Callable[[float], None],
        told: Callable[[Restraint], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hand each new share to `apply`; while something is held back, tell it at each beat."""
        self._gauges = gauges
        self._apply = apply
        self._told = told
        self._clock = clock
        self._guard = Guard("governing the sample rate")
        self.reset("")

    def __repr__(self) -> str:
        """What is in force."""
        return f"Governor(share={self.share:g})"

    def reset(self, origin: str) -> None:
        """Begin anew with all that is asked for; `origin` names this process."""
        self._origin = origin
        self._last_beat = float("-inf")
        self.share = 1.0
        """How much is mirrored of what is asked for."""
        self._reason = ""
        self._apply(1.0)

    def beat(self) -> None:
        """Look at the readings, if it is time for that; called by whatever thread comes by every second."""
        now = self._clock()
        if not self._gauges or now - self._last_beat < _PERIOD_SECONDS:
            return
        self._last_beat = now
        with self._guard:
            self._judge()

    def _judge(self) -> None:
        readings = [(gauge, gauge.read(self.share)) for gauge in self._gauges]
        known = [
            (reading / gauge.limit, gauge, reading) for gauge, reading in readings if reading is not None
        ]
        strain, gauge, reading = max(known, key=lambda one: one[0], default=(0.0, None, 0.0))
        before, self.share = self.share, next_share(self.share, strain)
        if self.share != before:
            self._apply(self.share)
        if strain > 1.0 and gauge is not None:
            self._reason = gauge.words(reading, gauge.limit)
        self._announce(before, is_rising=self.share > before)

    def _announce(self, before: float, *, is_rising: bool) -> None:
        if self.share == before == 1.0:
            return
        if before == 1.0:
            text = "mirroring is held back, because %s; it comes back by itself"
            tell(logging.WARNING, text, self._reason)
        elif self.share == 1.0:
            tell(logging.WARNING, "mirroring is back to all that SHADOW_SAMPLE_RATE asks for")
            self._reason = ""
        reason = f"{self._reason}; it is coming back" if is_rising and self._reason else self._reason
        self._told(Restraint(origin=self._origin, share=self.share, reason=reason))


def next_share(share: float, strain: float) -> float:
    """The share for the next second; `strain` is the reading over its limit, the worst of all."""
    if strain > 1.0:
        return max(share * FALL, FLOOR)
    return min(share + RISE, 1.0) if strain < CALM else share


def of_added_time(reading: float, limit: float) -> str:
    """The reason where mirroring itself takes too long."""
    return f"mirroring adds {reading * 1e3:.3g} ms to a predict call (limit {limit * 1e3:.3g} ms)"


def of_host_load(reading: float, limit: float) -> str:
    """The reason where the host is too busy."""
    return f"the host is busy (pressure {reading * 100:.0f} %, limit {limit * 100:.6g} %)"
