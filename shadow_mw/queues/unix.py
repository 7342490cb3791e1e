"""The reach of `unix:`: a worker that somebody else starts, and that may come, go and come back."""

from __future__ import annotations

import contextlib
import logging
import socket

from shadow_mw.boundary import tell

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


class UnixReach:
    """Connects to the socket at a path, again and again."""

    def __init__(self, path: str) -> None:
        """Name the path."""
        self._path = path
        self._failures = 0

    def __repr__(self) -> str:
        """Name the path."""
        return f"UnixReach({self._path!r})"

    @property
    def is_coming(self) -> bool:
        """Never: an app does not wait with its end for somebody to start one."""
        return False

    @property
    def is_impossible(self) -> bool:
        """Never: somebody may yet start the worker."""
        return False

    def connect(self) -> socket.socket | None:
        """A connection, or None while nobody listens."""
        with contextlib.suppress(OSError):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self._path)
            except BaseException:
                connection.close()
                raise
            return connection
        return None

    def pause_seconds(self, held_seconds: float) -> float | None:
        """A pause that doubles up to two seconds; never gives up."""
        if held_seconds:
            self._failures = 0
            return _FIRST_PAUSE_SECONDS
        if self._failures == 0:
            tell(
                logging.WARNING,
                "no worker listens at %s yet; start one with: shadow-mw worker",
                self._path,
            )
        self._failures += 1
        return float(min(_FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 8), _LONGEST_PAUSE_SECONDS))
