"""One replica of a Python model: a process that is started again when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from shadow_mw.exceptions import ShadowAnswerTooLarge, ShadowModelError, ShadowUnreachable
from shadow_mw.records import CapturedRequest
from shadow_mw.sandbox.layers import Layer
from shadow_mw.shadows.model_frames import Order
from shadow_mw.shadows.model_process import ModelProcess

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
#: Loading a large model takes its time; one that is not there by then never will be.
_START_SECONDS = 600.0


class Replica:
    """Keeps one process alive, with a pause before each new start that doubles until a call is answered."""

    def __init__(
        self, order: Order, tell: Callable[[str], None], show: Callable[[Sequence[Layer]], None]
    ) -> None:
        """Start nothing yet; `run` does.

        `tell` is called with the reason of every end, `show` with what each process has given up.
        """
        self._order = order
        self._tell = tell
        self._show = show
        self._failures = 0
        self._process: asyncio.Future[ModelProcess] = asyncio.get_running_loop().create_future()

    @property
    def rank(self) -> int:
        """0 when it can answer at once, 1 while it starts, 2 in a pause."""
        if not self._process.done():
            return 1
        return 2 if self._process.cancelled() or self._process.exception() else 0

    async def loaded(self) -> ModelProcess:
        """Wait until the process is ready.

        Raises:
            ShadowUnreachable: as `ask`.

        """
        return await asyncio.shield(self._process)

    async def ask(self, request: CapturedRequest) -> bytes:
        """The prediction for a request, as JSON; waits for a process that starts, but not in a pause.

        Raises:
            ShadowUnreachable: the process can't be started, or a pause has not passed.
            ShadowError: as `ModelProcess.call`.

        """
        process = await self.loaded()
        try:
            prediction = await process.call(request)
        except (ShadowModelError, ShadowAnswerTooLarge):
            self._failures = 0  # the process is well
            raise
        self._failures = 0
        return prediction

    async def run(self) -> None:
        """Start the process again and again, until cancelled."""
        while True:
            try:
                process = await ModelProcess.started(self._order)
            except ShadowUnreachable as error:
                await self._pause(str(error))
                continue
            starting = asyncio.ensure_future(self._admit(process))
            try:
                why = await process.over()
            finally:
                starting.cancel()
                await process.end()
            await self._pause(why, process)

    async def _admit(self, process: ModelProcess) -> None:
        """Let calls through to the process once it is ready."""
        try:
            if await asyncio.wait_for(process.ready(), _START_SECONDS):
                self._process.set_result(process)
                self._show(process.layers)
        except asyncio.TimeoutError:
            process.kill(f"the model was not imported within {_START_SECONDS:g} s")

    async def _pause(self, why: str, process: ModelProcess | None = None) -> None:
        """Refuse calls for a while; the one that waits for the process that is over goes last."""
        pause_seconds = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
        self._failures += 1
        self._tell(why)
        self._fail(f"{why}; the next start is due in {pause_seconds:g} s")
        if process is not None:
            process.settle(why)
        await asyncio.sleep(pause_seconds)
        self._process = asyncio.get_running_loop().create_future()

    def _fail(self, sentence: str) -> None:
        if self._process.done():
            self._process = asyncio.get_running_loop().create_future()
        self._process.set_exception(ShadowUnreachable(sentence))
        self._process.exception()  # nobody may come to ask
