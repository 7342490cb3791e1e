"""The one mirror of all doors of a process that came by themselves."""

from __future__ import annotations

import logging
import os

from shadow_mw.assembly.installation import Installation, install
from shadow_mw.boundary import Guard, tell
from shadow_mw.exceptions import SettingsError
from shadow_mw.forks import ForkLock

_guard = Guard("mirroring an app without a line in its code")


class SharedInstallation:
    """A mirror that the environment describes, made on first use. Thread-safe, fork-safe, never raises."""

    def __init__(self) -> None:
        """Make nothing yet."""
        self._lock = ForkLock()
        self._is_made = False
        self._installation: Installation | None = None

    def get(self) -> Installation | None:
        """The mirror; None where there is nothing to mirror, or a setting is wrong, which is logged once."""
        if not self._is_made:
            with self._lock:
                if not self._is_made:
                    self._installation = _made()
                    self._is_made = True
        return self._installation

    def prepare(self) -> None:
        """Make it now if the environment is complete: an app may load its own before the first request."""
        if os.environ.get("SHADOW_TARGETS"):
            self.get()


def _made() -> Installation | None:
    with _guard:
        try:
            return install()
        except SettingsError as error:
            # The app must start all the same: it has not asked for us in its code.
            tell(logging.ERROR, "nothing is mirrored: %s", error)
    return None
