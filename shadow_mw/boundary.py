"""The isolation boundary: nothing that goes wrong inside it gets out."""

from __future__ import annotations

import contextlib
import logging
from types import TracebackType

_log = logging.getLogger("shadow_mw")


class Guard:
    """A named boundary that swallows every `Exception`, logs the first one and counts them all.

    Re-entrant and thread-safe. Cancellation and other `BaseException` pass.
    """

    __slots__ = ("_operation", "count")

    def __init__(self, operation: str) -> None:
        """Name what is done inside, for the log line."""
        self._operation = operation
        self.count = 0

    def __repr__(self) -> str:
        """Name and count."""
        return f"Guard({self._operation!r}, count={self.count})"

    def __enter__(self) -> None:
        """Enter the boundary."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Swallow an `Exception`."""
        if error is None or not isinstance(error, Exception):
            return False
        self.note(error)
        return True

    def note(self, error: Exception) -> None:
        """Log the first and count; for `except` on a path where entering and leaving a boundary shows."""
        self.count += 1
        if self.count == 1:
            text = "%s failed; production is not affected, later failures are only counted"
            tell(logging.WARNING, text, self._operation, error=error)


def tell(level: int, text: str, *arguments: object, error: Exception | None = None) -> None:
    """Log a line of ours; a handler of the app's that raises costs that line and nothing else."""
    with contextlib.suppress(Exception):
        _log.log(level, text, *arguments, exc_info=error, stacklevel=2)
