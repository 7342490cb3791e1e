"""The capture of a call on which our own code is timed."""

from __future__ import annotations

import time
from typing import Any

from shadow_mw.capture import Capture, Head


class TimedCapture(Capture):
    """A capture that notes what it costs itself. Not thread-safe."""

    __slots__ = ("spent_ns",)

    def __init__(self, head: Head, max_body_bytes: int, declared_bytes: int, began_ns: int) -> None:
        """As `Capture`; `began_ns` is when our code began with the request, by `time.perf_counter_ns`."""
        super().__init__(head, max_body_bytes, declared_bytes)
        self.spent_ns = time.perf_counter_ns() - began_ns
        """What our code on the request path has taken until now."""

    def request_chunk(self, chunk: bytes, *, more: bool) -> bool:
        """As `Capture`."""
        began_ns = time.perf_counter_ns()
        is_complete = super().request_chunk(chunk, more=more)
        self.spent_ns += time.perf_counter_ns() - began_ns
        return is_complete

    def response_start(self, status: int, headers: tuple[Any, ...]) -> None:
        """As `Capture`."""
        began_ns = time.perf_counter_ns()
        super().response_start(status, headers)
        self.spent_ns += time.perf_counter_ns() - began_ns

    def response_chunk(self, chunk: bytes | bytearray | memoryview, *, more: bool) -> None:
        """As `Capture`."""
        began_ns = time.perf_counter_ns()
        super().response_chunk(chunk, more=more)
        self.spent_ns += time.perf_counter_ns() - began_ns
