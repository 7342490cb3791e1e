"""The faults of `soak.py`, one after the other at random, and the line of what was done when."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from soak_shadow import ANSWERS, NETWORK
from soak_site import Site

#: A fault of this kind comes this often, against the others.
_WEIGHTS = {"network": 10, "answer": 10, "away": 3, "collector": 4, "mirror": 4}
_SHORTEST_SECONDS = 0.5
#: Mirror processes that end within moments of one another say that there can be none.
_KILL_PAUSE_SECONDS = 12.0

Fault = Callable[[], AbstractContextManager[None]]


class Faults:
    """Has one fault after the other, with a rest between them; all of it follows from the seed."""

    def __init__(self, site: Site, seed: str, *, seconds: float, kill_until: float) -> None:
        """Each takes up to twice `seconds`; the mirror process is killed until `kill_until` seconds."""
        self._site = site
        self._source = random.Random(f"{seed} faults")
        self._seconds = seconds
        self._kill_until = kill_until
        self._begun = time.monotonic()
        self._last_kill = 0.0
        self.kills = 0
        self.timeline: list[str] = []

    async def run(self) -> None:
        """Go on until cancelled; the fault that holds by then is ended."""
        while True:
            name, fault = self._draw()
            seconds = max(self._source.expovariate(1 / self._seconds), _SHORTEST_SECONDS)
            await self._hold(name, fault, min(seconds, 2 * self._seconds))
            await asyncio.sleep(self._source.uniform(0.2, 1.0) * self._seconds)

    async def _hold(self, name: str, fault: Fault, seconds: float) -> None:
        self.timeline.append(f"{time.monotonic() - self._begun:8.1f} s  {name} for {seconds:.1f} s")
        print(self.timeline[-1], flush=True)
        held = fault()
        await asyncio.to_thread(held.__enter__)  # a proxy waits for its connections
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.shield(asyncio.to_thread(held.__exit__, None, None, None))

    def _draw(self) -> tuple[str, Fault]:
        [kind] = self._source.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        doors = self._site.doors
        if kind == "away":
            return "nobody listens where the shadow was", doors.shadow.away
        if kind == "answer":
            name = self._source.choice(list(ANSWERS))
            return f"the shadow answers: {name}", lambda: doors.answering(name)
        if kind == "mirror":
            return self._mirror(self._source.choice(("killed", "frozen", "disk full")))
        name = self._source.choice((*NETWORK, "away") if kind == "collector" else NETWORK)
        door, whose = (doors.collector, "collector") if kind == "collector" else (doors.shadow, "shadow")
        return f"{whose}: {name}", door.away if name == "away" else lambda: door.suffering(name)

    def _mirror(self, how: str) -> tuple[str, Fault]:
        if self._site.queue == "inline:":
            return "nothing (there is no mirror process)", contextlib.nullcontext
        now = time.monotonic()
        if how == "killed" and now - self._begun < self._kill_until:
            if now - self._last_kill > _KILL_PAUSE_SECONDS:
                return "the mirror process is killed", self._killed
        elif how == "disk full":
            return "the disk of the store is full", self._disk_full
        return "the mirror process is frozen", self._frozen

    @contextlib.contextmanager
    def _killed(self) -> Iterator[None]:
        self._site.kill_mirror()
        self.kills += 1
        self._last_kill = time.monotonic()
        yield

    @contextlib.contextmanager
    def _frozen(self) -> Iterator[None]:
        self._site.signal_mirror(signal.SIGSTOP)
        try:
            yield
        finally:
            self._site.signal_mirror(signal.SIGCONT)

    @contextlib.contextmanager
    def _disk_full(self) -> Iterator[None]:
        self._site.fill_disk(is_full=True)
        try:
            yield
        finally:
            self._site.fill_disk(is_full=False)
