"""The way to one shadow: a waiting line, a capped pool, a breaker and a deadline."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from shadow_mw.breaker import Breaker, State
from shadow_mw.exceptions import (
    CircuitOpen,
    ShadowError,
    ShadowStatusError,
    ShadowTimeout,
    ShadowUnreachable,
)
from shadow_mw.protocols import Shadow
from shadow_mw.records import Answer, Bucket, CapturedRequest, Outcome, Role
from shadow_mw.snapshots import ShadowStatistics
from shadow_mw.stats import LatencyWindow
from shadow_mw.targets import Target
from shadow_mw.telemetry.spans import ExchangeSpans, ShadowSpan
from shadow_mw.worker.adaptive_limit import AdaptiveLimit
from shadow_mw.worker.retry_after import pause_seconds

if TYPE_CHECKING:
    from shadow_mw.worker.pending import Pending


_log = logging.getLogger("shadow_mw")
#: The outcome of an exchange that a patient lane leaves with its queue, because the worker stops.
POSTPONED = "postponed"
#: The outcome, and the place in the books, of one that has waited for longer than is allowed.
_OUTDATED: Bucket = "queue_full"
#: How long a patient lane waits before it tries a shadow again that could not be reached.
_TRY_AGAIN_SECONDS = 0.2
_UNREACHABLE = ShadowUnreachable.__name__
_OVERLOAD = (429, 503)


class Lane:
    """Asks one shadow, at most `concurrency` calls at once. Used on the worker's loop only."""

    def __init__(
        self,
        target: Target,
        shadow: Shadow,
        breaker: Breaker,
        *,
        concurrency: int,
        timeout_seconds: float,
        size: int,
        size_bytes: int,
        headers: Callable[[CapturedRequest], dict[str, str]],
        role: Role = "shadow",
        is_patient: bool = False,
        max_age_seconds: float | None = None,
        is_adaptive: bool = False,
        wants: Callable[[CapturedRequest], bool] = lambda request: True,  # noqa: ARG005 every exchange
    ) -> None:
        """Let at most `size` exchanges with `size_bytes` bytes wait, so that no shadow starves another.

        A patient lane waits while the circuit is open or the shadow can't be reached, where others book that.
        What has waited for longer than `max_age_seconds` is not asked.
        In an adaptive lane `concurrency` is only the most that may be.
        """
        self._adaptive = AdaptiveLimit(concurrency, clock=time.perf_counter) if is_adaptive else None
        self.role = role
        self._max_age_seconds = math.inf if max_age_seconds is None else max_age_seconds
        self._is_behind = False
        self._is_patient = is_patient
        self._hurried = anyio.Event()
        self._is_awaited = False
        self.wants = wants
        self.target = target
        self.production_latency = LatencyWindow()
        self.shadow_latency = LatencyWindow()
        self.concurrency = concurrency
        self._shadow = shadow
        self._breaker = breaker
        self._timeout_seconds = timeout_seconds
        self._headers = headers
        self._size_bytes = size_bytes
        self._held_bytes = 0
        self._active = 0
        self._send: MemoryObjectSendStream[tuple[Pending, int]]
        self._receive: MemoryObjectReceiveStream[tuple[Pending, int]]
        self._send, self._receive = anyio.create_memory_object_stream(size)

    def __repr__(self) -> str:
        """Target and state."""
        return f"Lane({self.target!s}, circuit={self._breaker.state!r}, active={self._active})"

    @property
    def name(self) -> str:
        """The shadow's name."""
        return self.target.name

    def admit(self, pending: Pending) -> bool:
        """Put an exchange into the waiting line; False when there is no room."""
        size_bytes = pending.size_bytes
        if self._held_bytes and self._held_bytes + size_bytes > self._size_bytes:
            return False
        try:
            self._send.send_nowait((pending, size_bytes))
        except anyio.WouldBlock:
            return False
        self._held_bytes += size_bytes
        return True

    def end(self) -> None:
        """Let the pool end once the line is empty."""
        self._send.close()

    def hurry(self) -> None:
        """Wait no longer for a shadow that is down: the exchange stays with its queue."""
        self._hurried.set()

    async def serve(self, deal: Callable[[Lane, Pending], Awaitable[None]]) -> None:
        """One place of the pool: takes exchanges off the line until it ends."""
        with self._receive.clone() as line:
            if self._adaptive is None:
                async for taken in line:
                    await self._serve_one(taken, deal)
                return
            with contextlib.suppress(anyio.EndOfStream):
                while True:
                    async with self._adaptive.place:
                        await self._serve_one(await line.receive(), deal)

    async def _serve_one(
        self, taken: tuple[Pending, int], deal: Callable[[Lane, Pending], Awaitable[None]]
    ) -> None:
        pending, size_bytes = taken
        self._active += 1
        try:
            await deal(self, pending)
        finally:
            self._active -= 1
            self._held_bytes -= size_bytes

    async def ask(
        self, request: CapturedRequest, spans: Callable[[], ExchangeSpans], waited: Callable[[], float]
    ) -> tuple[Outcome, ShadowSpan | None]:
        """What the shadow did, and the span that was begun for it; an open circuit begins none."""
        while True:
            if self._is_outdated(waited()):
                return Outcome(outcome=_OUTDATED, seconds=0.0), None
            outcome, span = await self._ask_once(request, spans, waited())
            if span is not None and self._adaptive is not None:
                self._learn(self._adaptive, outcome)
            if outcome.is_answered:
                self._tell("")
            if not self._is_patient or not _was_not_asked(outcome):
                return outcome, span
            self._tell(outcome.error)
            if span is not None:
                span.discard()
            await self._pause()
            if self._hurried.is_set():
                return Outcome(outcome=POSTPONED, seconds=0.0), None

    def _learn(self, adaptive: AdaptiveLimit, outcome: Outcome) -> None:
        began_at = time.perf_counter() - outcome.seconds
        if outcome.outcome == ShadowTimeout.outcome or outcome.status in _OVERLOAD:
            adaptive.overloaded(began_at)
        elif outcome.is_answered:
            adaptive.ended(began_at, outcome.seconds, active=self._active)

    def _tell(self, trouble: str) -> None:
        """Log that the shadow is waited for, and that it is there again."""
        if trouble and not self._is_awaited:
            _log.warning("the shadow %s is waited for, and nothing is lost: %s", self.name, trouble)
        elif self._is_awaited and not trouble:
            _log.warning("the shadow %s is asked again", self.name)
        self._is_awaited = bool(trouble)

    def _is_outdated(self, age_seconds: float) -> bool:
        """Log when it begins; it is over when what comes is clearly younger, lest each one is a line."""
        if age_seconds > self._max_age_seconds:
            if not self._is_behind:
                _log.warning(
                    "the shadow %s is not asked for exchanges older than %g s (SHADOW_MAX_AGE_SECONDS): "
                    "queue_full",
                    self.name,
                    self._max_age_seconds,
                )
            self._is_behind = True
        elif self._is_behind and age_seconds < self._max_age_seconds / 2:
            self._is_behind = False
            _log.warning("the shadow %s is no longer behind", self.name)
        return age_seconds > self._max_age_seconds

    async def _pause(self) -> None:
        """Wait until the breaker may let a probe through, or there is a hurry."""
        with anyio.move_on_after(max(self._breaker.closed_for_seconds, _TRY_AGAIN_SECONDS)):
            await self._hurried.wait()

    async def _ask_once(
        self, request: CapturedRequest, spans: Callable[[], ExchangeSpans], waited_seconds: float
    ) -> tuple[Outcome, ShadowSpan | None]:
        started = time.perf_counter()
        span: ShadowSpan | None = None
        try:
            with self._breaker.permit():
                url = self.target.asked_url(request.path, request.address)
                span = spans().ask(self.name, url, role=self.role, waited_seconds=waited_seconds)
                started = time.perf_counter()
                answer = await self._answer(request, {**self._headers(request), **span.headers})
        except CircuitOpen as error:
            return _failed(error, 0.0), None
        except ShadowStatusError as error:
            if error.pause_seconds:
                self._breaker.rest(error.pause_seconds)
            return _failed(error, time.perf_counter() - started), span
        except ShadowError as error:
            return _failed(error, time.perf_counter() - started), span
        except Exception as error:  # noqa: BLE001 whatever a shadow's client raises is an outcome
            seconds = time.perf_counter() - started
            text = f"{type(error).__name__}: {error}"
            return Outcome(
                outcome="error", seconds=seconds, error_type=type(error).__name__, error=text
            ), span
        return _answered(answer, time.perf_counter() - started), span

    def statistics(self, routes: dict[str, dict[str, int]]) -> ShadowStatistics:
        """A snapshot."""
        return ShadowStatistics(
            shadow=self.name,
            url=self.target.url,
            routes=routes,
            circuit=self.circuit,
            active=self._active,
            limit=self.concurrency if self._adaptive is None else self._adaptive.limit,
            waiting=self._send.statistics().current_buffer_used,
            production=self.production_latency.snapshot(),
            answers=self.shadow_latency.snapshot(),
        )

    @property
    def circuit(self) -> State:
        """The state of the breaker."""
        return self._breaker.state

    async def aclose(self) -> None:
        """Give the shadow's connections back."""
        self._send.close()
        self._receive.close()
        await self._shadow.aclose()

    async def _answer(self, request: CapturedRequest, headers: dict[str, str]) -> Answer:
        # `anyio.fail_after` is three layers around this and costs twice as much.
        with anyio.CancelScope(deadline=anyio.current_time() + self._timeout_seconds):
            answer = await self._shadow.ask(request, headers)
            if not 200 <= answer.status < 300:
                raise ShadowStatusError(
                    answer.status, pause_seconds(answer.status, answer.headers, time.time())
                )
            return answer
        raise ShadowTimeout(f"no complete answer within {self._timeout_seconds:g} s")


def _was_not_asked(outcome: Outcome) -> bool:
    """True where nothing was learnt about the shadow's answer to this very exchange."""
    return outcome.outcome == CircuitOpen.outcome or outcome.error_type == _UNREACHABLE


def _answered(answer: Answer, seconds: float) -> Outcome:
    return Outcome(
        outcome="answered",
        seconds=seconds,
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        is_prediction=answer.is_prediction,
    )


def _failed(error: ShadowError, seconds: float) -> Outcome:
    status = error.status if isinstance(error, ShadowStatusError) else 0
    return Outcome(
        outcome=error.outcome, seconds=seconds, status=status, error_type=error.error_type, error=str(error)
    )
