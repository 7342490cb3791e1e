"""The worker's end of a socket: takes frames from any number of processes of an app."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol, cast

from shadow_mw.books import Books
from shadow_mw.exceptions import FrameError
from shadow_mw.frames import Counts, Done, Flush, FrameReader, Logged, Snapshot, ToApp, ToWorker, encode
from shadow_mw.protocols import Delivery
from shadow_mw.records import Message
from shadow_mw.snapshots import Statistics

_log = logging.getLogger("shadow_mw")
_SNAPSHOT_SECONDS = 1.0
#: An app is not woken more often than this for acknowledgements.
_ACKNOWLEDGE_SECONDS = 0.1
#: How many lines wait for an app that logs them.
_MOST_UNSAID = 16


class Engine(Protocol):
    """What a source needs of the worker that it feeds."""

    def snapshot(self) -> Statistics:
        """The statistics of now."""
        ...

    def written(self, callback: Callable[[], None]) -> None:
        """Call back once everything that is judged until now is in the store."""
        ...

    async def flush(self) -> None:
        """Bring everything that is judged to the store and the exporters."""
        ...


class SocketSource:
    """A source that listens on a unix socket. Used on the worker's loop only."""

    def __init__(
        self, listener: socket.socket, books: Books, *, limit_bytes: int, only_user: int | None
    ) -> None:
        """Take frames of at most `limit_bytes`, and only from processes of `only_user` if one is given."""
        self.only_user = only_user
        self.limit_bytes = limit_bytes
        self.books = books
        self.engine: Engine
        self.connections: set[_Connection] = set()
        self.last_change = time.monotonic()
        self.was_connected = False
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._line: deque[_Delivery] = deque()
        self._arrived = asyncio.Event()
        self._is_stopping = False
        self._unsaid: deque[Logged] = deque(maxlen=_MOST_UNSAID)
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        """Who is connected."""
        return f"SocketSource(connections={len(self.connections)}, waiting={len(self._line)})"

    @property
    def is_stopping(self) -> bool:
        """True once nothing more is taken."""
        return self._is_stopping

    async def serve(self, engine: Engine) -> None:
        """Accept connections and tell each the statistics once a second, until cancelled."""
        self.engine = engine
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=self._listener)
        try:
            while True:
                await asyncio.sleep(_SNAPSHOT_SECONDS)
                self._tell_all(encode(Snapshot(engine.snapshot())))
        finally:
            self._server.close()
            for connection in list(self.connections):
                connection.close()

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """The messages as they come, until stopped and empty."""
        while True:
            while self._line:
                yield self._line.popleft()
            if self._is_stopping:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def stop(self) -> None:
        """Take nothing more; what has arrived is still delivered."""
        self._is_stopping = True
        self._arrived.set()
        if self._server is not None:
            self._server.close()  # who comes now is not to wait for a worker that takes nothing
        for connection in self.connections:
            connection.pause()

    def pause(self, seconds: float) -> None:
        """Read nothing for a while; the apps' lines fill up meanwhile."""
        for connection in self.connections:
            connection.pause()
        asyncio.get_running_loop().call_later(seconds, self._resume)

    def log(self, level: int, text: str) -> None:
        """Have one of the apps log a line, the first that comes if need be: our own log has no reader."""
        connection = next(iter(self.connections), None)
        if connection is not None:
            connection.tell(Logged(level, text))
        else:
            self._unsaid.append(Logged(level, text))

    def say_to(self, connection: _Connection) -> None:
        """Have one of the apps log what came up before any was there."""
        while self._unsaid:
            connection.tell(self._unsaid.popleft())

    def arrived(self, connection: _Connection, number: int, message: ToWorker) -> None:
        """Sort a frame."""
        if isinstance(message, Counts):
            for route, shadow, counts in message.added:
                self.books.add_many(route, shadow, counts)
            self.books.restraints.tell(message.restraints)
            self.engine.written(lambda: connection.done(number))
        elif isinstance(message, Flush):
            self._start(self._flush(connection, message.token))
        else:
            connection.open_count += 1
            self._line.append(_Delivery(connection, number, message))
            self._arrived.set()

    def part(self, connection: _Connection) -> None:
        """Close a connection once all that came over it is acknowledged: the app books the rest as lost."""
        self._start(self._part(connection))

    async def _part(self, connection: _Connection) -> None:
        await connection.all_done()
        self.engine.written(connection.close_soon)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self, connection: _Connection, token: int) -> None:
        await connection.all_done()
        await self.engine.flush()
        connection.tell(Snapshot(self.engine.snapshot(), token))

    def _resume(self) -> None:
        if not self._is_stopping:
            for connection in self.connections:
                connection.resume()

    def _tell_all(self, frame: bytes) -> None:
        for connection in self.connections:
            connection.write(frame)


class _Delivery:
    """One message of one connection."""

    __slots__ = ("_arrived_at", "_connection", "_is_done", "_number", "message")
    is_kept = False
    is_withdrawn = False
    may_be_repeated = False
    settled: frozenset[str] = frozenset()

    def __init__(self, connection: _Connection, number: int, message: Message) -> None:
        self._connection = connection
        self._number = number
        self._arrived_at = time.monotonic()
        self._is_done = False
        self.message = message

    @property
    def waited_seconds(self) -> float:
        return time.monotonic() - self._arrived_at

    def done(self) -> None:
        if not self._is_done:
            self._is_done = True
            self._connection.one_done()

    def acknowledge_part(self, shadow: str) -> None:
        self._connection.done(self._number, shadow)

    def acknowledge(self) -> None:
        self._connection.done(self._number)


class _Connection(asyncio.Protocol):
    """One process of the app."""

    def __init__(self, source: SocketSource) -> None:
        self._source = source
        self._reader: FrameReader[ToWorker] = FrameReader(ToWorker, source.limit_bytes)
        self._transport: asyncio.Transport
        self._numbers: list[int] = []
        self._parts: list[tuple[int, str]] = []
        self._told_at = float("-inf")
        self._idle = asyncio.Event()
        self.open_count = 0
        self.is_refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the base class
        if not _is_of_user(transport.get_extra_info("socket"), self._source.only_user):
            _log.warning("a connection of another user was refused")
            self._transport.abort()
            return
        self._source.connections.add(self)
        self._source.was_connected = True
        self._source.last_change = time.monotonic()
        self._source.say_to(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._source.connections.discard(self)
        self._source.last_change = time.monotonic()
        self._idle.set()

    def data_received(self, data: bytes) -> None:
        try:
            for number, message in self._reader.feed(data):
                self._source.arrived(self, number, message)
        except (FrameError, MemoryError) as error:
            _log.warning("a connection was closed: %s", str(error) or "out of memory")
            self.is_refused = True
            self._reader = FrameReader(ToWorker, self._source.limit_bytes)
            self.pause()
            self._source.part(self)

    def one_done(self) -> None:
        self.open_count -= 1
        if self.open_count == 0:
            self._idle.set()

    async def all_done(self) -> None:
        while self.open_count:
            self._idle.clear()
            await self._idle.wait()

    def done(self, number: int, shadow: str = "") -> None:
        """Tell soon that a frame is dealt with, or that it is for one shadow."""
        if not (self._numbers or self._parts):
            loop = asyncio.get_running_loop()
            loop.call_at(max(self._told_at + _ACKNOWLEDGE_SECONDS, loop.time()), self._tell_done)
        if shadow:
            self._parts.append((number, shadow))
        else:
            self._numbers.append(number)

    def tell(self, message: ToApp) -> None:
        self.write(encode(message))

    def write(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        if not self.is_refused:
            self._transport.resume_reading()

    def close_soon(self) -> None:
        """Close after what else is to be acknowledged now."""
        asyncio.get_running_loop().call_soon(self.close)

    def close(self) -> None:
        self._tell_done()
        self._transport.close()

    def _tell_done(self) -> None:
        if self._numbers or self._parts:
            self._told_at = asyncio.get_running_loop().time()
            self.tell(Done(self._numbers, tuple(self._parts)))
            self._numbers, self._parts = [], []


def _is_of_user(connection: socket.socket, user: int | None) -> bool:
    """True when the process at the other end runs as that user; elsewhere than Linux the folder decides."""
    if user is None or not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, peer, _ = struct.unpack("3i", credentials)
    return bool(peer == user)
