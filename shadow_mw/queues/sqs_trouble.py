"""What is wrong with a service just now, and the two log lines about it: when it begins and when it ends."""

from __future__ import annotations

import logging
import threading
import time

_log = logging.getLogger("shadow_mw")
#: A service that fails now and then, and works in between, is spoken of no more often.
_SILENCE_SECONDS = 60.0


class Trouble:
    """The present failure of what is named, empty while all is well. Thread-safe."""

    def __init__(self, what: str, meanwhile: str) -> None:
        """Say in the log `what` fails, and what happens `meanwhile`."""
        self._what = what
        self._meanwhile = meanwhile
        self._lock = threading.Lock()
        self._logged_at = float("-inf")
        self._is_told = False
        self.sentence = ""

    def __repr__(self) -> str:
        """The failure."""
        return f"Trouble({self.sentence!r})"

    def began(self, sentence: str) -> None:
        """It failed; only the first failure of a spell is logged."""
        with self._lock:
            is_first = not self.sentence
            self.sentence = sentence
            must_tell = is_first and time.monotonic() - self._logged_at >= _SILENCE_SECONDS
            if must_tell:
                self._is_told = True
                self._logged_at = time.monotonic()
        if must_tell:
            _log.warning("%s: %s; %s", self._what, sentence, self._meanwhile)

    def ended(self) -> None:
        """It worked."""
        if not self.sentence:
            return
        with self._lock:
            must_tell, self._is_told = self._is_told, False
            self.sentence = ""
        if must_tell:
            _log.info("%s: it works again", self._what)
