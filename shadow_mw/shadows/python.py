"""Shadows without a server: `python:module:attribute`, a callable in processes of its own."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence

from shadow_mw.caps.wish import Wish
from shadow_mw.records import Answer, CapturedRequest
from shadow_mw.sandbox.layers import Layer, Policy, missing, sentence
from shadow_mw.shadows.model import answer_of
from shadow_mw.shadows.model_frames import REFUSED, Order
from shadow_mw.shadows.replica import Replica
from shadow_mw.targets import Target

_log = logging.getLogger("shadow_mw")


class PythonShadow:
    """A callable that is asked in `replicas` child processes, one call at a time in each. For asyncio.

    Whatever the callable does, it does to its own process: a call that is cancelled kills it, a crash ends
    it, and another one is started after a pause.
    """

    def __init__(
        self,
        target: Target,
        *,
        replicas: int,
        features: str,
        max_body_bytes: int,
        sandbox: Policy,
        wish: Wish,
        is_beside_production: bool = True,
    ) -> None:
        """Start nothing yet; the first `ask` does, or `start`.

        `is_beside_production` tells whether this process is in production's session.
        """
        self._name = target.name
        self._replicas = replicas
        self._order = Order(
            name=target.url.removeprefix("python:"),
            features=features,
            max_body_bytes=max_body_bytes,
            wish=wish,
            parent=os.getpid(),
            sandbox=sandbox,
            is_beside_production=is_beside_production,
        )
        self._free: list[Replica] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._has_told = False
        self._has_shown = False
        self._places = asyncio.Semaphore(replicas)

    def __repr__(self) -> str:
        """Name and callable."""
        return f"PythonShadow({self._name!r}, {self._order.name!r}, replicas={self._replicas})"

    def start(self) -> None:
        """Start the processes; only the first call counts."""
        if not self._tasks:
            self._free = [Replica(self._order, self._tell, self._show) for _ in range(self._replicas)]
            self._tasks = [asyncio.get_running_loop().create_task(replica.run()) for replica in self._free]

    async def loaded(self) -> tuple[Layer, ...]:
        """Wait until the callable is imported in one process; what its sandbox consists of.

        Raises:
            ShadowUnreachable: it can't be.

        """
        self.start()
        return (await self._free[0].loaded()).layers

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        """The callable's answer to the features in a request; `headers` mean nothing to it.

        Raises:
            ShadowModelError: the callable raised.
            ShadowUnreachable: its module can't be imported, or its process is down for now.
            ShadowProtocolError: its process ended in the middle, or sent nonsense.
            ShadowAnswerTooLarge: its prediction is larger than `max_body_bytes`.

        """
        del headers
        self.start()
        async with self._places:
            replica = min(self._free, key=lambda one: one.rank)
            self._free.remove(replica)
            try:
                return answer_of(await replica.ask(request))
            finally:
                self._free.append(replica)

    async def aclose(self) -> None:
        """Kill the processes and wait until they are gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _tell(self, trouble: str) -> None:
        """Log once that the sandbox is the reason why the model is not asked."""
        if trouble.startswith(REFUSED) and not self._has_told:
            self._has_told = True
            _log.warning("the shadow %s: %s", self._name, trouble)

    def _show(self, layers: Sequence[Layer]) -> None:
        """Log once what the sandbox consists of; as a warning where a promise does not hold."""
        if not self._has_shown:
            self._has_shown = True
            level = logging.WARNING if missing(layers) else logging.INFO
            _log.log(level, "sandbox of %s (%s) %s", self._name, self._order.sandbox, sentence(layers))
