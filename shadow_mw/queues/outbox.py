"""What an app has for its worker: sent at once while the socket takes it, else kept in a bounded line."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable

from shadow_mw.frames import Counts, ToWorker, encode
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange

#: Larger messages are encoded and sent by the keeper, so that no request waits for the copy.
_LARGE_BYTES = 32 * 1024
_CHUNK_BYTES = 64 * 1024
#: A worker that takes everything and stores nothing must not cost the app more memory than this many routes.
_MOST_UNACKNOWLEDGED = 100_000


class _Waiting:
    """A message in the line, or the rest of a frame that was sent in part."""

    __slots__ = ("message", "rest", "size_bytes")

    def __init__(self, message: ToWorker, size_bytes: int, rest: memoryview | None = None) -> None:
        self.message = message
        self.size_bytes = size_bytes
        self.rest = rest


class Outbox:
    """A bounded line in front of a socket that may come and go. Thread-safe; nothing in it blocks."""

    def __init__(self, *, size: int, size_bytes: int, wake: Callable[[], None]) -> None:
        """Hold at most `size` messages with `size_bytes` bytes of bodies; `wake` calls for a `pump`."""
        self._size = size
        self._size_bytes = size_bytes
        self._wake = wake
        self._lock = threading.Lock()
        self._line: deque[_Waiting] = deque()
        self._held_bytes = 0
        self._number = 0
        self._socket: socket.socket | None = None
        self._unacknowledged: dict[int, ToWorker | str] = {}

    def __repr__(self) -> str:
        """Fill and state."""
        state = "not connected" if self._socket is None else "connected"
        return f"Outbox({state}, waiting={len(self._line)}, unacknowledged={len(self._unacknowledged)})"

    def offer(self, message: Exchange | CapturedRequest | CapturedResponse) -> bool:
        """Send a message or put it into the line; False when there is no room."""
        size_bytes = _size_of(message)
        with self._lock:
            if not self._has_room(message, size_bytes):
                return False
            if self._socket is not None and not self._line and size_bytes <= _LARGE_BYTES:
                must_wake = self._send(self._socket, message, size_bytes)
            else:
                self._put(_Waiting(message, size_bytes))
                must_wake = True
        if must_wake:
            self._wake()
        return True

    def push(self, message: ToWorker) -> None:
        """Put a message of our own into the line, whatever its fill."""
        with self._lock:
            self._put(_Waiting(message, 0))
        self._wake()

    def attach(self, connection: socket.socket) -> None:
        """Send over this non-blocking socket from now on; the line first."""
        with self._lock:
            self._socket = connection

    def detach(self) -> list[ToWorker | str]:
        """Stop sending. What was sent and not acknowledged: counts, and the routes of exchanges."""
        with self._lock:
            self._socket = None
            if self._line and self._line[0].rest is not None:
                self._held_bytes -= self._line.popleft().size_bytes  # its number is among the lost
            lost = list(self._unacknowledged.values())
            self._unacknowledged.clear()
        return lost

    def hang_up(self) -> bool:
        """Say that no more will come; False while something waits. What was sent is the worker's from now on.

        The socket is half-closed and not closed: a worker that wrote to a closed one would read no more.

        Raises:
            OSError: the connection broke.

        """
        with self._lock:
            if self._socket is not None and not self._line:
                self._socket.shutdown(socket.SHUT_WR)
                self._socket = None
                self._unacknowledged.clear()
            return self._socket is None

    def abandon(self) -> list[ToWorker]:
        """Empty the line. What was in it, but for a message that is on its way: `detach` reports that."""
        with self._lock:
            left = [waiting.message for waiting in self._line if waiting.rest is None]
            self._line.clear()
            self._held_bytes = 0
        return left

    def acknowledge(self, numbers: list[int]) -> None:
        """Forget what is in the store."""
        with self._lock:
            for number in numbers:
                self._unacknowledged.pop(number, None)

    def pump(self) -> bool:
        """Send what the socket takes now; True when more waits. Called by one thread only.

        Raises:
            OSError: the connection broke.

        """
        while True:
            with self._lock:
                connection, waiting = self._socket, self._line[0] if self._line else None
            if connection is None or waiting is None:
                return False
            # Not under the lock: while the line is not empty nobody else sends, and a copy may take long.
            if waiting.rest is None:
                waiting.rest = memoryview(encode(waiting.message, self._take_number(waiting.message)))
            try:
                sent = connection.send(waiting.rest[:_CHUNK_BYTES])
            except BlockingIOError:
                return True
            waiting.rest = waiting.rest[sent:]
            if not waiting.rest:
                self._drop_head(waiting)

    def is_empty(self) -> bool:
        """True when nothing waits."""
        return not self._line

    def _has_room(self, message: ToWorker, size_bytes: int) -> bool:
        """The second half of an exchange takes no new entry: without it the first stays open for good."""
        if not isinstance(message, CapturedResponse) and (
            len(self._line) >= self._size or len(self._unacknowledged) >= _MOST_UNACKNOWLEDGED
        ):
            return False
        return size_bytes == 0 or self._held_bytes + size_bytes <= self._size_bytes

    def _send(self, connection: socket.socket, message: ToWorker, size_bytes: int) -> bool:
        """Send at once; True when a rest is left for the keeper."""
        frame = encode(message, self._numbered(message))
        try:
            sent = connection.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = 0  # the keeper meets the same error and sees to it
        if sent == len(frame):
            return False
        self._put(_Waiting(message, size_bytes, memoryview(frame)[sent:]))
        return True

    def _take_number(self, message: ToWorker) -> int:
        with self._lock:
            return self._numbered(message)

    def _numbered(self, message: ToWorker) -> int:
        self._number = (self._number + 1) & 0xFFFFFFFF
        kept = kept_of(message)
        if kept:
            self._unacknowledged[self._number] = kept
        return self._number

    def _drop_head(self, sent: _Waiting) -> None:
        with self._lock:
            if self._line and self._line[0] is sent:  # else it was abandoned meanwhile
                self._held_bytes -= self._line.popleft().size_bytes

    def _put(self, waiting: _Waiting) -> None:
        self._line.append(waiting)
        self._held_bytes += waiting.size_bytes


def _size_of(message: Exchange | CapturedRequest | CapturedResponse) -> int:
    if isinstance(message, Exchange):
        return len(message.request.body) + len(message.response.body)
    return len(message.body)


def kept_of(message: ToWorker) -> ToWorker | str:
    """What is to be known of a message that may get lost: counts whole, of an exchange its route."""
    if isinstance(message, Exchange):
        return message.request.route
    if isinstance(message, CapturedRequest):
        return message.route
    return message if isinstance(message, Counts) else ""
