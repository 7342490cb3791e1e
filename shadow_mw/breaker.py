"""The circuit breaker of one shadow: pybreaker's state machine, admitting concurrent calls."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Literal, cast

import pybreaker

from shadow_mw.exceptions import CircuitOpen, ShadowStatusError

State = Literal["closed", "open", "half-open"]


class Breaker:
    """A circuit breaker that serialises nothing and sends one probe at a time. Not thread-safe.

    pybreaker holds its lock for a whole `call()`, admits everybody when half-open, takes a cancelled call
    for a result and waits by the wall clock. So calls are admitted here, by a monotonic clock, and
    pybreaker is told only how an admitted call ended.
    """

    def __init__(
        self, *, failures: int, reset_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Open after this many `failures` in a row, probe again after `reset_seconds`."""
        self._machine = pybreaker.CircuitBreaker(
            fail_max=failures,
            reset_timeout=reset_seconds,
            exclude=[_is_no_failure],
            throw_new_error_on_trip=False,
        )
        self._reset_seconds = reset_seconds
        self._clock = clock
        self._opened_at = 0.0
        self._generation = 0
        self._probing = False
        self._rests_until = float("-inf")

    def __repr__(self) -> str:
        """State and failures in a row."""
        return f"Breaker(state={self.state!r}, failures={self._machine.fail_counter})"

    @property
    def state(self) -> State:
        """`closed`, `open` or `half-open`; while the shadow rests, `open`."""
        return "open" if self._is_resting else self._circuit

    @property
    def _circuit(self) -> State:
        return cast(State, self._machine.current_state)

    @property
    def _is_resting(self) -> bool:
        return self._clock() < self._rests_until

    def rest(self, seconds: float) -> None:
        """Let no call through for so long, as the shadow has asked, and at most for as long as when open."""
        self._rests_until = self._clock() + min(seconds, self._reset_seconds)

    @property
    def closed_for_seconds(self) -> float:
        """How long at least no call is let through; 0 where one may be."""
        opens_at = self._rests_until
        if self._circuit != pybreaker.STATE_CLOSED:
            opens_at = max(opens_at, self._opened_at + self._reset_seconds)
        return max(opens_at - self._clock(), 0.0)

    @contextlib.contextmanager
    def permit(self) -> Iterator[None]:
        """Admission for one call; how the block ends counts, cancellation counts for nothing.

        Raises:
            CircuitOpen: the call must not be made.

        """
        is_probe = self._admit()
        generation = self._generation
        try:
            yield
        except Exception as error:
            self._settle(generation, error)
            raise
        else:
            self._settle(generation, None)
        finally:
            self._probing = self._probing and not is_probe

    def _admit(self) -> bool:
        if self._is_resting:
            raise CircuitOpen("the shadow has asked not to be asked for a while (Retry-After)")
        if self._circuit == pybreaker.STATE_CLOSED:
            return False
        if self._probing or self._clock() < self._opened_at + self._reset_seconds:
            raise CircuitOpen("the circuit of this shadow is open")
        self._probing = True
        self._machine.half_open()
        return True

    def _settle(self, generation: int, error: Exception | None) -> None:
        if generation != self._generation:
            return  # a call from before the circuit changed says nothing about the shadow of now
        before = self._circuit
        if error is None and before == pybreaker.STATE_CLOSED and not self._machine.fail_counter:
            return  # nothing that an answer could change
        with contextlib.suppress(Exception):
            self._machine.call(_replay, error)
        if self._circuit != before:
            self._generation += 1
            self._opened_at = self._clock()


def _is_no_failure(error: object) -> bool:
    """True for an answer like 404 or 422: the request was refused, the server is well."""
    return isinstance(error, ShadowStatusError) and not error.is_overload


def _replay(error: Exception | None) -> None:
    if error is not None:
        raise error
