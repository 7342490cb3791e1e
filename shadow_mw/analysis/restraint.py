"""How much the governor holds back: at this moment from the pulses, over a period from the books."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from shadow_mw.figures import share
from shadow_mw.records import Pulse

if TYPE_CHECKING:
    from shadow_mw.analysis.account import Account

#: A worker gives a sign of life every ten seconds.
ALIVE_US = 30_000_000


def held_back_now(pulses: Iterable[Pulse], now_us: int) -> str:
    """What is mirrored at this moment and why it is not all, as a sentence; empty where it is all.

    Of several server processes it tells of the one that holds back most.
    """
    held = [pulse for pulse in pulses if pulse.share < 1.0 and now_us - pulse.ts_us <= ALIVE_US]
    if not held:
        return ""
    tightest = min(held, key=lambda pulse: pulse.share)
    return f"Mirroring {100 * tightest.share:.0f} % of what you asked for, because {tightest.held_back}."


def held_back_then(account: Account) -> str:
    """How much was left out over the period, as a sentence; empty where nothing was."""
    governed = account.skipped["governed"]
    if not governed:
        return ""
    asked = account.eligible + governed
    return (
        f"Of {asked:,} calls that were to be mirrored the governor left out {governed:,} "
        f"({share(governed / asked)}), because the host was busy or mirroring took too long."
    )
