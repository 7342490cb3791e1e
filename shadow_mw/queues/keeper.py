"""The one thread of an app that keeps the connection to its worker."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol

from shadow_mw.boundary import Guard
from shadow_mw.frames import FrameReader, ToApp
from shadow_mw.queues.outbox import Outbox

_TICK_SECONDS = 1.0
#: For how long exchanges gather under traffic: a thread or process that wakes costs as much as tens of them.
_GATHER_SECONDS = 0.1
_READ_BYTES = 64 * 1024
_FRAME_LIMIT_BYTES = 16 * 2**20
_CUT_SECONDS = 1.0


class Reach(Protocol):
    """How a worker's socket is reached; called by the keeper, so it may take its time."""

    def connect(self) -> socket.socket | None:
        """A connected socket, or None when there is none now."""
        ...

    def pause_seconds(self, held_seconds: float) -> float | None:
        """How long to wait after a connection that held so long (0: none came); None gives up for good."""
        ...

    @property
    def is_coming(self) -> bool:
        """True when a worker is so near that an app which ends should wait for it, within its deadline."""
        ...

    @property
    def is_impossible(self) -> bool:
        """True when there can be no worker here, so that another queue has to do."""
        ...


class Keeper:
    """Connects, sends what waits, reads what comes back; one thread, started once."""

    def __init__(
        self,
        reach: Reach,
        outbox: Outbox,
        *,
        received: Callable[[ToApp], None],
        tick: Callable[[], None],
        broken: Callable[[], None],
        beat: Callable[[], None] = lambda: None,
        given_up: Callable[[], None],
    ) -> None:
        """Report frames to `received`, each second of a connection to `tick`, its end to `broken`.

        `beat` is called about every second, with a connection and without.
        """
        self._reach = reach
        self._outbox = outbox
        self._received = received
        self._tick = tick
        self._broken = broken
        self._given_up = given_up
        self._beat = beat
        self._is_closing = False
        self._deadline = float("inf")
        self._guard = Guard("keeping the connection to the worker")
        self._connection: socket.socket | None = None
        # A pair of socket objects and not a pipe: after they are closed, a late wake-up can't hit a
        # descriptor that is the app's by then.
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        self._thread = threading.Thread(target=self._main, name="shadow_mw", daemon=True)
        self.is_alive = True
        """True while the thread runs."""
        self._thread.start()

    def wake(self) -> None:
        """Have the outbox pumped now."""
        with contextlib.suppress(OSError):  # full: it is awake already; closed: there is nobody to wake
            self._rope.send(b"\0")

    def close(self, seconds: float) -> None:
        """Send what waits, hang up and end; what the deadline does not allow is cut off."""
        self._deadline = time.monotonic() + seconds
        self._is_closing = True
        self.wake()
        if self._thread is threading.current_thread():
            return
        self._thread.join(seconds)
        connection = self._connection
        if connection is not None and self._thread.is_alive():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(_CUT_SECONDS)  # or it would empty the outbox beside the next keeper

    def disown(self) -> None:
        """Close our copies of the sockets, in a forked child in which the thread does not exist."""
        for one in (self._connection, self._bell, self._rope):
            if one is not None:
                one.close()

    def _main(self) -> None:
        try:
            self._run()
        finally:
            self.is_alive = False

    def _run(self) -> None:
        with self._guard, self._bell, self._rope:
            held_seconds = self._hold()
            while not self._is_over():
                pause_seconds = self._reach.pause_seconds(held_seconds)
                if pause_seconds is None:
                    self._given_up()
                    return
                self._sleep(pause_seconds)
                held_seconds = self._hold()

    def _is_over(self) -> bool:
        if not self._is_closing:
            return False
        return self._is_late() or self._outbox.is_empty() or not self._reach.is_coming

    def _is_late(self) -> bool:
        return time.monotonic() >= self._deadline

    def _hold(self) -> float:
        """Connect and serve one connection to its end; how long it held."""
        connection = self._connection = self._reach.connect()
        if connection is None:
            return 0.0
        began = time.monotonic()
        try:
            with self._guard, contextlib.suppress(OSError), connection:
                if not self._is_late():  # a close that did not see this connection can't cut it
                    self._serve(connection)
        finally:
            self._connection = None
            self._broken()
        return time.monotonic() - began

    def _serve(self, connection: socket.socket) -> None:
        reader: FrameReader[ToApp] = FrameReader(ToApp, _FRAME_LIMIT_BYTES)
        connection.setblocking(False)
        self._outbox.attach(connection)
        next_tick = 0.0
        must_write = False
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._bell, selectors.EVENT_READ)
            is_open = True
            while is_open:
                if self._is_closing or time.monotonic() >= next_tick:
                    self._beat()
                    self._tick()
                    next_tick = time.monotonic() + _TICK_SECONDS
                must_have_written, must_write = must_write, self._pump()
                if must_write != must_have_written:
                    selector.modify(connection, selectors.EVENT_READ | (selectors.EVENT_WRITE * must_write))
                seconds = next_tick - time.monotonic()
                if self._outbox.settle():
                    seconds = min(seconds, _GATHER_SECONDS)
                is_open = self._wait(connection, selector, reader, seconds)

    def _pump(self) -> bool:
        """Send what waits, and at the end say so; True when the socket took only a part."""
        try:
            return self._outbox.pump() or (self._is_closing and not self._outbox.hang_up())
        except OSError:
            return False  # broken; what the worker said last is still there to be read, up to the end

    def _wait(
        self,
        connection: socket.socket,
        selector: selectors.BaseSelector,
        reader: FrameReader[ToApp],
        seconds: float,
    ) -> bool:
        """Wait for something to do and take in what has come; False at the end of the connection."""
        for key, events in selector.select(max(seconds, 0.0)):
            if key.fileobj is self._bell:
                self._bell.recv(_READ_BYTES)
            elif events & selectors.EVENT_READ:
                data = connection.recv(_READ_BYTES)
                for _, frame in reader.feed(data):
                    self._received(frame)
                if not data:
                    return False
        return True

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            while not self._is_over() and (left := min(deadline, self._deadline) - time.monotonic()) > 0:
                self._beat()
                if selector.select(min(left, _TICK_SECONDS)):
                    self._bell.recv(_READ_BYTES)
