"""Standing: how each shadow of a store stands, in the few figures that a scrape takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from shadow_mw import questions
from shadow_mw.analysis.analysis import Analysis
from shadow_mw.analysis.choice import shadow_names
from shadow_mw.analysis.criteria import Criteria
from shadow_mw.analysis.decision import Word
from shadow_mw.analysis.restraint import ALIVE_US
from shadow_mw.dashboard.liveness import RECENT_US
from shadow_mw.dashboard.overview import make_verdict
from shadow_mw.protocols import Reader
from shadow_mw.records import Pulse
from shadow_mw.scope import Scope

_MINUTE_US = 60_000_000


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one shadow stands. Immutable."""

    analysis: Analysis
    """Of all that the store keeps and that counts now, as for the gate."""
    gate: Word
    eligible_per_second: float
    last_pulse_us: int | None
    workers: int
    """Workers that gave a sign of life lately."""

    @property
    def shadow(self) -> str:
        """The name of the shadow."""
        return self.analysis.shadow


class Standings(msgspec.Struct, frozen=True, kw_only=True):
    """How all shadows of a store stood at one moment. Immutable."""

    shadows: tuple[Standing, ...] = ()
    read_us: int
    """When the store was asked."""


def make_standings(reader: Reader, criteria: Criteria, now_us: int) -> Standings:
    """How all shadows stand, asked of the store now.

    Raises:
        StoreError: the store could not be read.

    """
    pulses = questions.pulses(reader)
    found = (
        _standing(reader, shadow, criteria, [pulse for pulse in pulses if pulse.shadow == shadow], now_us)
        for shadow in shadow_names(reader)
    )
    return Standings(shadows=tuple(found), read_us=now_us)


def _standing(
    reader: Reader, shadow: str, criteria: Criteria, pulses: Sequence[Pulse], now_us: int
) -> Standing:
    verdict = make_verdict(reader, Scope(shadow=shadow), criteria)
    return Standing(
        analysis=verdict.analysis,
        gate=verdict.decision.verdict,
        eligible_per_second=_eligible_per_second(reader, shadow, now_us),
        last_pulse_us=max((pulse.ts_us for pulse in pulses), default=None),
        workers=sum(now_us - pulse.ts_us <= ALIVE_US for pulse in pulses),
    )


def _eligible_per_second(reader: Reader, shadow: str, now_us: int) -> float:
    # Tallies are by the minute, under its beginning.
    since_us = (now_us - RECENT_US) // _MINUTE_US * _MINUTE_US
    lately = questions.books(reader, Scope(shadow=shadow, since_us=since_us))
    return sum(lately.values(), Counter[str]())["eligible"] / ((now_us - since_us) / 1e6)
