"""The process of a Python model, seen from its worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import msgspec

from shadow_mw.caps.allowance import Allowance
from shadow_mw.caps.group import CPU, Group
from shadow_mw.caps.place import Place
from shadow_mw.exceptions import (
    FrameError,
    ShadowAnswerTooLarge,
    ShadowModelError,
    ShadowProtocolError,
    ShadowUnreachable,
)
from shadow_mw.frames import FrameReader, encode
from shadow_mw.records import CapturedRequest
from shadow_mw.sandbox.layers import Layer
from shadow_mw.sandbox.memory import held_bytes
from shadow_mw.sandbox.scratch import Scratch, sweep
from shadow_mw.shadows.model_frames import (
    FRAME_OVERHEAD_BYTES,
    REFUSED,
    Call,
    FromModel,
    LockedDown,
    Order,
    Predicted,
    Raised,
    Ready,
    TooLarge,
    Unready,
)
from shadow_mw.shadows.pace import Pace

_WATCH_SECONDS = 0.1


class ModelProcess(asyncio.Protocol):
    """One child with one model; one call at a time. It ends with its connection and the other way round."""

    def __init__(self, order: Order) -> None:
        """Start nothing yet; `started` does."""
        self._order = order
        self.layers: tuple[Layer, ...] = ()
        self._scratch: Scratch | None = None
        self._group: Group | None = None
        limit_bytes = order.max_body_bytes + FRAME_OVERHEAD_BYTES
        self._frames: FrameReader[FromModel] = FrameReader(_KINDS, limit_bytes)
        self._number = 0
        self._waiter: asyncio.Future[FromModel] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._reason = ""
        self._is_over = asyncio.Event()
        self._transport: asyncio.BaseTransport | None = None

    @classmethod
    async def started(cls, order: Order) -> ModelProcess:
        """A process that imports its model now.

        Raises:
            ShadowUnreachable: no process could be started.

        """
        process = cls(order)
        ours, theirs = socket.socketpair()
        try:
            if order.sandbox != "off":
                await anyio.to_thread.run_sync(sweep)
                process._scratch = Scratch()  # at once: what is cancelled on a thread would leave its folder
            with theirs:
                process._child = _spawned(process._placed(), theirs, process._scratch)
            loop = asyncio.get_running_loop()
            await loop.create_unix_connection(lambda: process, sock=ours)
        except BaseException as error:
            ours.close()
            await process.end()
            if isinstance(error, OSError):
                raise ShadowUnreachable(f"the model's process could not be started: {error}") from error
            raise
        return process

    async def ready(self) -> bool:
        """Wait until the model is imported; False, and the end of the process, where it can't be."""
        told = await self._told()
        if isinstance(told, Ready):
            return True
        self.kill(told.error if isinstance(told, Unready) else "it said something else than that it is ready")
        return False

    async def call(self, request: CapturedRequest) -> bytes:
        """The prediction for a request, as JSON; a call that is cancelled kills the process.

        Raises:
            ShadowModelError: the model raised.
            ShadowAnswerTooLarge: the prediction is too large.
            ShadowProtocolError: the process ended, or what it sent is no answer.

        """
        self._number += 1
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(encode(Call(request.body, request.headers), self._number))
        try:
            told = await self._told()
        except asyncio.CancelledError:
            self.kill("a call was given up, because no answer came in time")
            raise
        if isinstance(told, Predicted) and len(told.body) <= self._order.max_body_bytes:
            return told.body
        if isinstance(told, Raised):
            raise ShadowModelError(told.error_type, told.error)
        if isinstance(told, TooLarge):
            raise ShadowAnswerTooLarge(told.error)
        self.kill("it sent something that is no answer")
        raise ShadowProtocolError("the model's process sent something that is no answer")

    async def over(self) -> str:
        """Wait for the end of the process, which growing over its memory hastens; why it ended."""
        assert self._child is not None
        pacing = asyncio.ensure_future(Pace(self._child.pid, Allowance.here(self._cpu_cap)).run())
        try:
            await self._watched_to_the_end()
        finally:
            # Before the process is taken off the system's table, and its number may be another's.
            pacing.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.gather(pacing, return_exceptions=True)
        why = await self.end()
        return why if why.startswith(REFUSED) else f"the model's process ended: {why}"

    async def end(self) -> str:
        """Kill the process if it still runs, take it off the system's table, and say why it ended."""
        self._kill()
        if self._transport is not None:
            self._transport.close()
        with anyio.CancelScope(shield=True):
            code = None if self._child is None else await anyio.to_thread.run_sync(self._child.wait)
            if self._scratch is not None:
                await anyio.to_thread.run_sync(self._scratch.remove)
            if self._group is not None:
                self._group.remove()
        return self._reason or ("it could not be started" if code is None else _reason(code))

    def settle(self, why: str) -> None:
        """Answer a call that still waits, once the process is over."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ShadowProtocolError(why))

    def kill(self, reason: str) -> None:
        """Kill the process and its children at once, for this reason; does nothing once it has ended."""
        self._reason = self._reason or reason
        self._kill()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._reason:
            return  # what a process that was killed has sent before is nobody's answer
        try:
            frames = list(self._frames.feed(data))
        except FrameError as error:
            self.kill(f"it sent something that is no answer ({error})")
            return
        for number, frame in frames:
            if isinstance(frame, LockedDown) and not self.layers:
                self.layers = frame.layers
                continue
            if self._waiter is None or self._waiter.done() or number != self._number:
                self.kill("it sent an answer that nobody asked for")
                return
            self._waiter.set_result(frame)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        del error  # the process tells more by how it ends
        self._is_over.set()

    def _kill(self) -> None:
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)

    async def _told(self) -> FromModel:
        self._waiter = asyncio.get_running_loop().create_future()
        return await self._waiter

    async def _watched_to_the_end(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(
                    self._is_over.wait(), _WATCH_SECONDS if self._order.wish.memory_bytes else None
                )
            self._check_memory()

    @property
    def _cpu_cap(self) -> float | None:
        """What is left to us to keep: nothing of a cap that the kernel keeps."""
        is_kept = self._group is not None and any(cap.holds for cap in self._group.caps if cap.name == CPU)
        return None if is_kept else self._order.wish.cpu_cores

    def _placed(self) -> Order:
        """The order, with a cgroup to enter where there can be one."""
        try:
            self._group = Group.made(self._order.wish)
        except OSError as error:
            return msgspec.structs.replace(self._order, place=Place(trouble=error.strerror or str(error)))
        trouble = "; ".join(cap.how for cap in self._group.caps if not cap.holds)
        return msgspec.structs.replace(self._order, place=Place(str(self._group.folder), trouble))

    def _check_memory(self) -> None:
        cap = self._order.wish.memory_bytes
        assert self._child is not None
        if cap and held_bytes(self._child.pid) > cap:
            self.kill(f"its memory grew over SHADOW_MEMORY_BYTES ({cap})")


#: Either is out of reach of a terminal's Ctrl-C. A kernel with autogroups schedules sessions against each
#: other, and a priority counts within one: so a model stays in production's session. Where it can't, because
#: the worker is elsewhere or Python is 3.10, it has one of the least share.
_IN_A_SESSION: Any = {"start_new_session": True}
_IN_A_GROUP: Any = {"process_group": 0} if sys.version_info >= (3, 11) else _IN_A_SESSION
_KINDS = LockedDown | Ready | Unready | Predicted | Raised | TooLarge


def _spawned(order: Order, connection: socket.socket, scratch: Scratch | None) -> subprocess.Popen[bytes]:
    folder = "" if scratch is None else scratch.path
    order = msgspec.structs.replace(order, descriptor=connection.fileno(), scratch=folder)
    command = [sys.executable, "-m", "shadow_mw.shadows.child", msgspec.json.encode(order).decode()]
    places = {} if scratch is None else scratch.variables
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return subprocess.Popen(  # noqa: S603 the user's own module, by the user's own settings
        command,
        # The model's module may well be the app's own: importing it there must not mirror anything.
        env={**os.environ, **places, "PYTHONPATH": path, "SHADOW_ENABLED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(connection.fileno(),),
        **_IN_A_GROUP if order.is_beside_production else _IN_A_SESSION,
    )


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"
