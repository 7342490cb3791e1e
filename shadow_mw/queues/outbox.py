"""What an app has for its worker: in a bounded line until the socket takes it."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import msgspec

from shadow_mw.boundary import Guard
from shadow_mw.frames import Counts, ToWorker, encode
from shadow_mw.protocols import Draft
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange

#: Larger messages are encoded and sent by the keeper, so that no request waits for the copy.
_LARGE_BYTES = 32 * 1024
_CHUNK_BYTES = 64 * 1024
#: So many are put together in one go, which takes the interpreter lock; then others have their turn.
_MOST_AT_ONCE = 32
#: A worker that takes everything and stores nothing must not cost the app more memory than this many routes.
_MOST_UNACKNOWLEDGED = 100_000
_NOTHING = memoryview(b"")


class Partly(NamedTuple):
    """An exchange of which only some shadows' comparisons are in the store."""

    route: str
    settled: frozenset[str]
    """The names of those shadows."""


#: What is known of a message that was sent: counts whole, of an exchange its route.
Kept: TypeAlias = ToWorker | Partly | str


class Outbox:
    """A bounded line in front of a socket that may come and go. Thread-safe; nothing in it blocks.

    Messages are sent by whoever offers them while the socket takes them; drafts gather for the keeper.
    """

    def __init__(
        self,
        *,
        size: int,
        size_bytes: int,
        wake: Callable[[], None],
        spoilt: Callable[[Kept], None],
    ) -> None:
        """Hold at most `size` messages with `size_bytes` bytes of bodies.

        `wake` calls for a `pump`; `spoilt` is told what could not be put together.
        """
        self._size = size
        self._size_bytes = size_bytes
        self._wake = wake
        self._spoilt = spoilt
        self._guard = Guard("putting an exchange together")
        self._lock = threading.Lock()
        self._line: deque[ToWorker | Draft] = deque()
        self._held_bytes = 0
        self._number = 0
        self._socket: socket.socket | None = None
        self._unacknowledged: dict[int, Kept] = {}
        # What has left the line and not yet the process: it is numbered, so that it counts as sent.
        self._is_sending = False
        self._sending_bytes = 0
        self._rest = _NOTHING
        self._has_sent = False
        self._is_watched = False

    def __repr__(self) -> str:
        """Fill and state."""
        state = "not connected" if self._socket is None else "connected"
        return f"Outbox({state}, waiting={len(self._line)}, unacknowledged={len(self._unacknowledged)})"

    def offer(self, message: Exchange | CapturedRequest | CapturedResponse) -> bool:
        """Send a message or put it into the line; False when there is no room."""
        size_bytes = _size_of(message)
        with self._lock:
            # The second half of an exchange takes no new entry: without it the first stays open for good.
            if not self._has_room(size_bytes, 0 if isinstance(message, CapturedResponse) else 1):
                return False
            if self._socket is not None and self.is_empty() and size_bytes <= _LARGE_BYTES:
                must_wake = self._send(self._socket, message, size_bytes)
            else:
                self._put(message, size_bytes)
                must_wake = True
        if must_wake:
            self._wake()
        return True

    def offer_later(self, draft: Draft) -> bool:
        """Put a draft into the line; False when there is no room."""
        size_bytes = draft.size_bytes
        with self._lock:
            if not self._has_room(size_bytes, 1):
                return False
            self._put(draft, size_bytes)
            must_wake = not self._is_watched or len(self._line) % _MOST_AT_ONCE == 0
            self._is_watched = True
        if must_wake:
            self._wake()
        return True

    def push(self, message: ToWorker) -> None:
        """Put a message of our own into the line, whatever its fill."""
        with self._lock:
            self._put(message, 0)
        self._wake()

    def attach(self, connection: socket.socket) -> None:
        """Send over this non-blocking socket from now on; the line first."""
        with self._lock:
            self._socket = connection

    def detach(self) -> list[Kept]:
        """Stop sending. What was sent and not acknowledged: counts, and the routes of exchanges."""
        with self._lock:
            self._socket = None
            self._end_sending()
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
            if self._socket is not None and self.is_empty():
                self._socket.shutdown(socket.SHUT_WR)
                self._socket = None
                self._unacknowledged.clear()
            return self._socket is None

    def abandon(self) -> list[ToWorker | Draft]:
        """Empty the line. What was in it, but for what is on its way: `detach` reports that."""
        with self._lock:
            left = list(self._line)
            self._line.clear()
            self._held_bytes = self._sending_bytes
        return left

    def acknowledge(self, numbers: list[int], parts: Iterable[tuple[int, str]] = ()) -> None:
        """Forget what is in the store; of `parts` that is so for the shadow that stands with each."""
        with self._lock:
            for number, shadow in parts:
                kept = self._unacknowledged.get(number)
                if isinstance(kept, str):
                    self._unacknowledged[number] = Partly(kept, frozenset((shadow,)))
                elif isinstance(kept, Partly):
                    self._unacknowledged[number] = Partly(kept.route, kept.settled | {shadow})
            for number in numbers:
                self._unacknowledged.pop(number, None)

    def pump(self) -> bool:
        """Send what the socket takes now; True when more waits. Called by one thread only.

        Raises:
            OSError: the connection broke.

        """
        while self._load():
            with self._lock:
                connection = self._socket
            if connection is None:
                return False
            # Not under the lock: while something is on its way nobody else sends, and a copy may take long.
            try:
                sent = connection.send(self._rest[:_CHUNK_BYTES])
            except BlockingIOError:
                return True
            self._rest = self._rest[sent:]
            if not self._rest:
                with self._lock:
                    self._end_sending()
        return False

    def settle(self) -> bool:
        """After a pump: True while more is likely to come, so that the next one should be soon.

        After False the next offer wakes.
        """
        with self._lock:
            self._is_watched = self._has_sent or bool(self._line)
            self._has_sent = False
            return self._is_watched

    def is_empty(self) -> bool:
        """True when nothing waits."""
        return not self._line and not self._is_sending

    def _has_room(self, size_bytes: int, entries: int) -> bool:
        if entries and (len(self._line) >= self._size or len(self._unacknowledged) >= _MOST_UNACKNOWLEDGED):
            return False
        return size_bytes == 0 or self._held_bytes + size_bytes <= self._size_bytes

    def _send(self, connection: socket.socket, message: ToWorker, size_bytes: int) -> bool:
        """Send at once; True when a rest is left for the keeper."""
        frame = encode(message, (self._number + 1) & 0xFFFFFFFF)
        self._numbered(message)  # not before: what can't be encoded is refused and must not count as sent
        try:
            sent = connection.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = 0  # the keeper meets the same error and sees to it
        if sent == len(frame):
            return False
        self._held_bytes += size_bytes
        self._begin_sending(size_bytes)
        self._rest = memoryview(frame)[sent:]
        return True

    def _load(self) -> bool:
        """True when there is something to send: a rest, or else the head of the line, joined."""
        while True:
            with self._lock:
                if self._is_sending:
                    return True
                batch = self._take() if self._socket is not None else []
            if not batch:
                return False
            frames = [frame for frame in (self._framed(*one) for one in batch) if frame]
            self._has_sent = True
            self._rest = memoryview(b"".join(frames))
            if frames:
                return True
            with self._lock:
                self._end_sending()

    def _take(self) -> list[tuple[int, ToWorker | Draft]]:
        batch: list[tuple[int, ToWorker | Draft]] = []
        size_bytes = 0
        while self._line and len(batch) < _MOST_AT_ONCE and size_bytes < _LARGE_BYTES:
            message = self._line.popleft()
            size_bytes += _size_of(message)
            batch.append((self._numbered(message), message))
        if batch:
            self._begin_sending(size_bytes)
        return batch

    def _framed(self, number: int, message: ToWorker | Draft) -> bytes:
        with self._guard:
            return encode(message if isinstance(message, msgspec.Struct) else message.message(), number)
        with self._lock:
            kept = self._unacknowledged.pop(number, "")
        self._spoilt(kept)
        return b""

    def _numbered(self, message: ToWorker | Draft) -> int:
        self._number = (self._number + 1) & 0xFFFFFFFF
        kept = kept_of(message)
        if kept:
            self._unacknowledged[self._number] = kept
        return self._number

    def _begin_sending(self, size_bytes: int) -> None:
        self._is_sending = True
        self._sending_bytes = size_bytes

    def _end_sending(self) -> None:
        self._held_bytes -= self._sending_bytes
        self._sending_bytes = 0
        self._is_sending = False
        self._rest = _NOTHING

    def _put(self, message: ToWorker | Draft, size_bytes: int) -> None:
        self._line.append(message)
        self._held_bytes += size_bytes


def _size_of(message: ToWorker | Draft) -> int:
    if not isinstance(message, msgspec.Struct):
        return message.size_bytes
    if isinstance(message, Exchange):
        return len(message.request.body) + len(message.response.body)
    if isinstance(message, CapturedRequest | CapturedResponse):
        return len(message.body)
    return 0


def kept_of(message: ToWorker | Draft) -> ToWorker | str:
    """What is to be known of a message that may get lost: counts whole, of an exchange its route."""
    if not isinstance(message, msgspec.Struct) or isinstance(message, CapturedRequest):
        return message.route
    if isinstance(message, Exchange):
        return message.request.route
    return message if isinstance(message, Counts) else ""
