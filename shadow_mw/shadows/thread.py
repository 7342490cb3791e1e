"""Shadows given in code: a callable of the app's own, asked on threads of the worker."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

from shadow_mw.exceptions import ShadowError, ShadowUnreachable
from shadow_mw.records import Answer, CapturedRequest
from shadow_mw.shadows.model import Model, answer_of
from shadow_mw.targets import Target


class ThreadShadow:
    """A callable that is asked on at most so many threads, never on an event loop of the worker or the app.

    A thread can't be killed: one whose call hangs is taken until it comes back, and once all are taken the
    shadow is unreachable. They are daemons, so that a hanging call does not keep the app from ending.
    """

    def __init__(
        self,
        target: Target,
        function: Callable[[Any], Any],
        *,
        threads: int,
        features: str,
        max_body_bytes: int,
        timeout_seconds: float,
    ) -> None:
        """Start no thread before it is needed; an async callable is cancelled after `timeout_seconds`."""
        self._target = target
        self._model = Model(
            function, features=features, max_body_bytes=max_body_bytes, async_seconds=timeout_seconds
        )
        self._limit = threads
        self._taken = 0
        self._threads: list[threading.Thread] = []
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()

    def __repr__(self) -> str:
        """The target, and how many threads are taken."""
        return f"ThreadShadow({self._target!s}, taken={self._taken} of {self._limit})"

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        """The callable's answer to the features in a request, which are its own to change.

        Raises:
            ShadowModelError: the callable raised.
            ShadowUnreachable: all threads are taken.
            ShadowAnswerTooLarge: its prediction is larger than `max_body_bytes`.

        """
        del headers
        if self._taken >= self._limit:
            raise ShadowUnreachable(f"all {self._limit} threads are taken by calls that have not come back")
        call = _Call(request, self._done)
        self._taken += 1
        if self._taken > len(self._threads):
            self._start()
        self._calls.put(call)
        return answer_of(await call.prediction)

    async def aclose(self) -> None:
        """Let the threads end that have nothing to do, and the others when they are done."""
        for _ in self._threads:
            self._calls.put(None)

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"shadow_mw {self._target.name}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run(self._model)
        self._model.close()

    def _done(self) -> None:
        self._taken -= 1


class _Call:
    """One question to a model, and the future of its answer on the loop that asked."""

    def __init__(self, request: CapturedRequest, done: Callable[[], None]) -> None:
        self._request = request
        self._done = done
        self._loop = asyncio.get_running_loop()
        self.prediction: asyncio.Future[bytes] = self._loop.create_future()

    def run(self, model: Model) -> None:
        """Ask, on a thread."""
        prediction, failure = b"", None
        try:
            if not self.prediction.cancelled():
                prediction = model.answer(self._request.body, self._request.headers)
        except ShadowError as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the worker has ended meanwhile
            self._loop.call_soon_threadsafe(self._settle, prediction, failure)

    def _settle(self, prediction: bytes, failure: ShadowError | None) -> None:
        self._done()
        if self.prediction.done():
            return
        if failure is None:
            self.prediction.set_result(prediction)
        else:
            self.prediction.set_exception(failure)
