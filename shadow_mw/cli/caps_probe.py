"""What `shadow-mw check` finds out on caps: which of them a mirror process started from here gets."""

from __future__ import annotations

import os

from shadow_mw.caps.probe import probed
from shadow_mw.caps.wish import Wish
from shadow_mw.cli.finding import Finding
from shadow_mw.settings import Settings


def probe_caps(settings: Settings) -> list[Finding]:
    """Start a process with the caps of the mirror process, and ask it; a line for each.

    What a platform does not have is said, and is no failure; what a setting asks for and does not hold, is.
    """
    if why := _why_none(settings.queue):
        return [Finding(True, f"caps: none, since {why}", is_note=True)]
    try:
        caps = probed(Wish.of(settings))
    except OSError as error:
        return [Finding(False, f"caps: {error}")]
    return [Finding(cap.holds or not cap.is_wanted, f"caps: {cap}", is_note=not cap.holds) for cap in caps]


def _why_none(queue: str) -> str:
    if os.name != "posix":
        return "this platform has no mirror process"
    if queue == "inline:":
        return "with SHADOW_QUEUE=inline: the mirror is a thread of the app"
    if queue.startswith("unix:"):
        return "with SHADOW_QUEUE=unix: the worker is started and capped by you"
    return ""
