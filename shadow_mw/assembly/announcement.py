"""The line at start-up that says what is mirrored where."""

from __future__ import annotations

import logging

from shadow_mw.boundary import tell
from shadow_mw.networks import is_public
from shadow_mw.settings import Settings
from shadow_mw.store_urls import shown

_log = logging.getLogger("shadow_mw")


def announce(settings: Settings) -> None:
    """Say what is mirrored, or why nothing is; and warn of what is sent in the clear."""
    say(_inert_line(settings) if settings.is_inert else _mirror_line(settings))
    if settings.is_inert:
        return
    for target in (*settings.targets, *([settings.control] if settings.control else [])):
        # What a name means is looked up, and warned of, where it is dialled.
        if target.is_plain and target.address and is_public(target.address):
            tell(logging.WARNING, "%s", target.in_the_clear(target.address))


def say(line: str) -> None:
    """Log one line, and show it on stderr in an app that has not set up logging at all."""
    if _log.hasHandlers():
        tell(logging.INFO, "%s", line)
        return
    record = _log.makeRecord(_log.name, logging.INFO, __file__, 0, line, (), None)
    logging.StreamHandler().handle(record)


def _mirror_line(settings: Settings) -> str:
    share = "all" if settings.sample_rate >= 1 else f"{settings.sample_rate:.2%}"
    routes = ", ".join(str(route) for route in settings.routes)
    targets = ", ".join(str(target) for target in settings.targets)
    store = "no store" if settings.store == "none" else f"store {shown(settings.store)}"
    how = f"{settings.mode}, queue {settings.queue}, {store}"
    return f"shadow_mw mirrors {share} of {routes} to {targets} ({how})"


def _inert_line(settings: Settings) -> str:
    why = "SHADOW_TARGETS is not set" if settings.enabled else "SHADOW_ENABLED is 0"
    return f"shadow_mw mirrors nothing: {why}"
