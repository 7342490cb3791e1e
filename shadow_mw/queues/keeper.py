"""The one thread of an app that keeps the connection to its worker."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol

from shadow_mw.frames import FrameReader, ToApp
from shadow_mw.guard import Guard
from shadow_mw.queues.outbox import Outbox

_TICK_SECONDS = 1.0
_READ_BYTES = 64 * 1024
_FRAME_LIMIT_BYTES = 16 * 2**20


class Reach(Protocol):
    """How a worker's socket is reached; called by the keeper, so it may take its time."""

    def connect(self) -> socket.socket | None:
        """A connected socket, or None when there is none now."""
        ...

    def pause_seconds(self, held_seconds: float) -> float | None:
        """How long to wait after a connection that held so long (0: none came); None gives up for good."""
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
        given_up: Callable[[], None],
    ) -> None:
        """Report frames to `received`, each second of a connection to `tick`, its end to `broken`."""
        self._reach = reach
        self._outbox = outbox
        self._received = received
        self._tick = tick
        self._broken = broken
        self._given_up = given_up
        self._is_closing = False
        self._guard = Guard("keeping the connection to the worker")
        self._connection: socket.socket | None = None
        # A pair of socket objects and not a pipe: after they are closed, a late wake-up can't hit a
        # descriptor that is the app's by then.
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        self._thread = threading.Thread(target=self._main, name="shadow_mw", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """True while the thread runs."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Have the outbox pumped now."""
        with contextlib.suppress(OSError):  # full: it is awake already; closed: there is nobody to wake
            self._rope.send(b"\0")

    def close(self, seconds: float) -> None:
        """Send what waits, hang up and end, if the deadline allows."""
        self._is_closing = True
        self.wake()
        if self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def disown(self) -> None:
        """Close our copies of the sockets, in a forked child in which the thread does not exist."""
        for one in (self._connection, self._bell, self._rope):
            if one is not None:
                one.close()

    def _main(self) -> None:
        with self._guard, self._bell, self._rope:
            while not self._is_closing:
                pause_seconds = self._reach.pause_seconds(self._hold())
                if pause_seconds is None:
                    self._given_up()
                    return
                self._sleep(pause_seconds)

    def _hold(self) -> float:
        """Connect and serve one connection to its end; how long it held."""
        connection = self._reach.connect()
        if connection is None:
            return 0.0
        began = time.monotonic()
        with connection, selectors.DefaultSelector() as selector:
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._bell, selectors.EVENT_READ)
            self._connection = connection
            self._outbox.attach(connection)
            try:
                with self._guard, contextlib.suppress(OSError):
                    self._serve(connection, selector)
            finally:
                self._connection = None
                self._broken()
        return time.monotonic() - began

    def _serve(self, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        reader: FrameReader[ToApp] = FrameReader(ToApp, _FRAME_LIMIT_BYTES)
        next_tick = 0.0
        is_open = True
        while is_open:
            if time.monotonic() >= next_tick or self._is_closing:
                self._tick()
                next_tick = time.monotonic() + _TICK_SECONDS
            must_write = self._outbox.pump()
            if self._is_closing and not must_write:
                return
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if must_write else 0)
            selector.modify(connection, events)
            is_open = self._wait(connection, selector, reader, next_tick - time.monotonic())

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
            while not self._is_closing and (left := deadline - time.monotonic()) > 0:
                if selector.select(left):
                    self._bell.recv(_READ_BYTES)
