"""Ids of traces and spans that leave the app's random numbers alone."""

from __future__ import annotations

from opentelemetry.sdk.trace.id_generator import IdGenerator

from shadow_mw.ids import random_bits


class OwnIds(IdGenerator):
    """Random ids, as W3C Trace Context level 2 wants them. Thread-safe and fork-safe.

    The SDK's own come from Python's global generator: after an app's `random.seed(42)` all its processes
    would make the same ids, and each id would change the numbers that the app draws next.
    """

    def generate_span_id(self) -> int:
        """64 bits, not all of them zero."""
        return random_bits(64) or 1

    def generate_trace_id(self) -> int:
        """128 bits, not all of them zero."""
        return random_bits(128) or 1

    def is_trace_id_random(self) -> bool:
        """True, which the trace flags tell."""
        return True
