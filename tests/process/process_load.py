"""Requests without a pause, from a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from process_tools import DEADLINE_SECONDS


class Load(threading.Thread):
    """Requests one after the other, from a thread, until stopped; each must be answered."""

    def __init__(self, ask: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._ask = ask
        self._is_over = threading.Event()
        self._progress = threading.Condition()
        self.count = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._ask()
                with self._progress:
                    self.count += 1
                    self._progress.notify_all()
        except BaseException as error:
            self.error = error

    def wait_for_more(self, more: int) -> None:
        with self._progress:
            goal = self.count + more
            assert self._progress.wait_for(lambda: self.count >= goal or self.error, DEADLINE_SECONDS)
        assert self.error is None, self.error

    def stop(self) -> int:
        """How many were answered: all."""
        self._is_over.set()
        self.join(DEADLINE_SECONDS)
        assert self.error is None, self.error
        return self.count
