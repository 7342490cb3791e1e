"""The demo's caller: a steady stream of held-out inputs, and what production answered."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from time import perf_counter

import anyio
import httpx

from shadow_mw.snapshots import Latency
from shadow_mw.stats import LatencyWindow

CALLS_PER_SECOND = 50
_TIMEOUT_SECONDS = 10.0
_CALLS_AT_ONCE = 16


class Caller:
    """Production's caller: sends predict calls at a steady rate and times each one."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self._latencies = LatencyWindow()
        self._is_stopped = False
        self.sent = 0
        """Calls that have been answered, or have failed."""
        self.failed = 0
        """Calls that got no answer, or one with a status other than 200."""

    def __repr__(self) -> str:
        """How it went so far."""
        return f"Caller(sent={self.sent}, failed={self.failed})"

    @property
    def answered(self) -> int:
        """Calls that production answered with 200."""
        return self.sent - self.failed

    def latency(self) -> Latency:
        """What the caller waited for production, over the latest calls."""
        return self._latencies.snapshot()

    def stop(self) -> None:
        """Send no more calls; those under way are still answered."""
        self._is_stopped = True

    async def send(self, url: str, inputs: Sequence[list[float]], requests: int | None) -> None:
        """Send so many calls, or for None until `stop`, with the inputs over and over.

        Returns when the last call is answered.
        """
        numbers: Iterable[int] = itertools.count() if requests is None else range(requests)
        slots = anyio.Semaphore(_CALLS_AT_ONCE)
        begin = anyio.current_time()
        async with (
            httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False) as client,
            anyio.create_task_group() as group,
        ):
            for number in numbers:
                await anyio.sleep_until(begin + number / CALLS_PER_SECOND)
                if self._is_stopped:
                    break
                await slots.acquire()
                group.start_soon(self._call, client, slots, number + 1, inputs[number % len(inputs)])

    async def _call(
        self, client: httpx.AsyncClient, slots: anyio.Semaphore, number: int, pixels: list[float]
    ) -> None:
        headers = {"X-Request-ID": f"demo-{number:06d}"}
        begin = perf_counter()
        try:
            response = await client.post("/predict", json={"pixels": pixels}, headers=headers)
            is_answered = response.status_code == httpx.codes.OK
        except httpx.HTTPError:
            is_answered = False
        finally:
            slots.release()
        self._latencies.add(perf_counter() - begin)
        self.sent += 1
        self.failed += not is_answered
