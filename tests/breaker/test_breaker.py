"""The circuit: opens, sends one probe at a time, and takes cancellation for nothing."""

from __future__ import annotations

import contextlib

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shadow_mw.breaker import Breaker
from shadow_mw.exceptions import CircuitOpen, ShadowStatusError, ShadowTimeout


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(breaker: Breaker, error: Exception | None = None) -> None:
    error = error or ShadowTimeout("late")
    with pytest.raises(type(error)), breaker.permit():
        raise error


def succeed(breaker: Breaker) -> None:
    with breaker.permit():
        pass


def opened(clock: Clock, failures: int = 3) -> Breaker:
    breaker = Breaker(failures=failures, reset_seconds=30.0, clock=clock)
    for _ in range(failures):
        fail(breaker)
    return breaker


def test_failures_in_a_row_open_it_and_a_success_starts_the_count_anew():
    breaker = Breaker(failures=3, reset_seconds=30.0)
    fail(breaker)
    fail(breaker)
    succeed(breaker)
    fail(breaker)
    fail(breaker)
    assert breaker.state == "closed"
    fail(breaker)
    assert breaker.state == "open"
    with pytest.raises(CircuitOpen), breaker.permit():
        raise AssertionError("an open circuit admits nobody")


@pytest.mark.fault("errors")
@pytest.mark.parametrize(
    ("status", "state"), [(404, "closed"), (422, "closed"), (429, "open"), (503, "open")]
)
def test_only_answers_that_speak_of_the_server_count(status, state):
    breaker = Breaker(failures=2, reset_seconds=30.0)
    fail(breaker, ShadowStatusError(status))
    fail(breaker, ShadowStatusError(status))
    assert breaker.state == state


@pytest.mark.fault("flaps")
def test_one_probe_at_a_time_decides():
    clock = Clock()
    breaker = opened(clock)
    clock.now += 30.0
    with breaker.permit():
        assert breaker.state == "half-open"
        with pytest.raises(CircuitOpen), breaker.permit():
            raise AssertionError("a second probe must not be sent")
    assert breaker.state == "closed"


@pytest.mark.fault("flaps")
def test_a_failed_probe_opens_it_again_for_the_whole_time():
    clock = Clock()
    breaker = opened(clock)
    clock.now += 30.0
    fail(breaker)
    assert breaker.state == "open"
    clock.now += 29.0
    with pytest.raises(CircuitOpen), breaker.permit():
        pass
    clock.now += 1.0
    succeed(breaker)
    assert breaker.state == "closed"


def test_a_call_from_before_the_opening_does_not_close_it():
    clock = Clock()
    breaker = Breaker(failures=2, reset_seconds=30.0, clock=clock)
    late = breaker.permit()
    late.__enter__()
    fail(breaker)
    fail(breaker)
    late.__exit__(None, None, None)
    assert breaker.state == "open"


def test_concurrent_calls_are_not_serialised_and_cancellation_is_no_failure():
    breaker = Breaker(failures=1, reset_seconds=30.0)
    inside: list[int] = []

    async def call() -> None:
        with breaker.permit():
            inside.append(1)
            await anyio.sleep_forever()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            assert len(inside) == 4
            group.cancel_scope.cancel()

    anyio.run(main)
    assert breaker.state == "closed"


def test_a_cancelled_probe_leaves_room_for_the_next():
    clock = Clock()
    breaker = opened(clock)
    clock.now += 30.0
    with pytest.raises(KeyboardInterrupt), breaker.permit():
        raise KeyboardInterrupt
    assert breaker.state == "half-open"
    succeed(breaker)
    assert breaker.state == "closed"


class Circuit(RuleBasedStateMachine):
    """Calls begin and end in any order, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(failures=2, reset_seconds=10.0, clock=self.clock)
        self.calls: list[tuple[object, bool]] = []

    @rule()
    def begin(self) -> None:
        was_closed = self.breaker.state == "closed"
        call = self.breaker.permit()
        try:
            call.__enter__()
        except CircuitOpen:
            assert not was_closed
            return
        self.calls.append((call, not was_closed))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), ending=st.sampled_from([None, ShadowTimeout("late"), KeyboardInterrupt()]))
    def end(self, data, ending) -> None:
        call, _ = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        with contextlib.suppress(ShadowTimeout, KeyboardInterrupt):
            call.__exit__(type(ending) if ending else None, ending, None)

    @rule(seconds=st.sampled_from([1.0, 10.0]))
    def wait(self, seconds) -> None:
        self.clock.now += seconds

    @invariant()
    def at_most_one_probe_is_under_way(self) -> None:
        assert sum(is_probe for _, is_probe in self.calls) <= 1

    @invariant()
    def a_circuit_never_stays_shut_for_good(self) -> None:
        if self.breaker.state == "open":
            assert not any(is_probe for _, is_probe in self.calls)


TestCircuit = Circuit.TestCase
TestCircuit.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
