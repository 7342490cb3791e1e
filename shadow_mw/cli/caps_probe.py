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
    if settings.queue == "inline:":
        return [
            Finding(True, "caps: none, since with SHADOW_QUEUE=inline: the mirror is a thread of the app")
        ]
    if os.name != "posix":
        return [Finding(True, "caps: none, since this platform has no mirror process")]
    try:
        caps = probed(Wish.of(settings))
    except OSError as error:
        return [Finding(False, f"caps: {error}")]
    return [Finding(cap.holds or not cap.is_wanted, f"caps: {cap}") for cap in caps]
