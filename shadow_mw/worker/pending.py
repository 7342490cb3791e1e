"""One exchange while the worker deals with it."""

from __future__ import annotations

import time
from collections.abc import Callable

from shadow_mw.protocols import Delivery
from shadow_mw.records import CapturedRequest, CapturedResponse, Outcome
from shadow_mw.telemetry.spans import ExchangeSpans, ShadowSpan
from shadow_mw.worker.lane import Lane


class Asked:
    """One shadow's outcome that is not judged yet."""

    __slots__ = ("lane", "outcome", "span", "waited_seconds")

    def __init__(self, lane: Lane, outcome: Outcome, span: ShadowSpan | None, waited_seconds: float) -> None:
        """Keep what the judgement needs."""
        self.lane = lane
        self.outcome = outcome
        self.span = span
        self.waited_seconds = waited_seconds


class Pending:
    """An exchange with the shadows that still owe it an outcome. Not thread-safe."""

    __slots__ = ("_begin", "_spans", "asked", "deliveries", "open_lanes", "request", "response")

    def __init__(
        self,
        request: CapturedRequest,
        response: CapturedResponse | None,
        delivery: Delivery,
        begin: Callable[[CapturedRequest], ExchangeSpans],
    ) -> None:
        """Begin with the response (async mode) or without it (sync mode)."""
        self.request = request
        self.response = response
        self.deliveries = [delivery]
        self.open_lanes: list[Lane] = []
        self.asked: list[Asked] = []
        self._begin = begin
        self._spans: ExchangeSpans | None = None

    def waited_seconds(self) -> float:
        """How long the exchange has been on its way, by the wall clock: it may come from another host."""
        handed_over = self.request.ts_us / 1e6
        if self.request.mode == "async" and self.response is not None:
            handed_over += self.response.seconds
        return max(time.time() - handed_over, 0.0)

    @property
    def is_kept(self) -> bool:
        """True where the queue delivers it again unless it is acknowledged."""
        return self.deliveries[0].is_kept

    @property
    def may_be_repeated(self) -> bool:
        """True where another worker may have it too, or have had it."""
        return self.deliveries[0].may_be_repeated

    @property
    def is_withdrawn(self) -> bool:
        """True where another worker has it now."""
        return self.deliveries[0].is_withdrawn

    @property
    def size_bytes(self) -> int:
        """How many bytes of bodies it holds."""
        return len(self.request.body) + (0 if self.response is None else len(self.response.body))

    @property
    def spans(self) -> ExchangeSpans:
        """The spans of this exchange, begun when the first shadow is asked."""
        if self._spans is None:
            self._spans = self._begin(self.request)
        return self._spans

    def release(self) -> None:
        """Give the room of the exchange back to its queue."""
        if self._spans is not None:
            self._spans.close()
        for delivery in self.deliveries:
            delivery.done()
