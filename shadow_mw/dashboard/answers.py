"""Answers: what the store says, kept for a moment, so that ten open pages ask as much as one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from shadow_mw.protocols import Dialect, Reader
from shadow_mw.store_urls import is_url, shown

T = TypeVar("T")

#: An answer is good for so long, or for so many times as long as it took: looking never costs more than a
#: quarter of a core, however large the store.
_GOOD_SECONDS = 2.0
_GOOD_TIMES = 4.0
#: While no file of the store changed, it is good for longer; not for ever, since "the last hour" moves on.
_UNCHANGED_TIMES = 15.0
_KEPT = 64
_AT_ONCE = 2


class StillAsking(Exception):
    """There is no answer yet; it is being made."""


class Answers:
    """A cache of answers in front of a store. Thread-safe; answers are made on threads, two at once.

    Whoever asks for what is being made waits for it. While no file changes an answer stays good for longer.
    """

    def __init__(self, store: str, open_reader: Callable[[str], Reader]) -> None:
        """Name the store, and what opens it."""
        self._store = store
        self._open_reader = open_reader
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_AT_ONCE)
        self._limiter: anyio.CapacityLimiter | None = None

    def __repr__(self) -> str:
        """How many answers are kept; the store's URL may hold a password."""
        return f"Answers({len(self._entries)} kept)"

    @property
    def place(self) -> str:
        """The store's folder or URL, its password hidden."""
        return shown(self._store)

    @property
    def is_absent(self) -> bool:
        """True where the store is a folder that does not exist yet: nothing was mirrored."""
        return not is_url(self._store) and not Path(self._store).exists()

    async def ask(self, key: Hashable, make: Callable[[Reader], T], *, good_seconds: float = 0.0) -> T:
        """The answer that `make` finds for a key, or the one that is still good: for `good_seconds` at least.

        Raises:
            StoreError: the store could not be read.

        """
        if self._limiter is None:
            # Threads of our own: waiting pages must not take those of the app that we are mounted in.
            self._limiter = anyio.CapacityLimiter(32)
        return await anyio.to_thread.run_sync(
            self._ask, key, make, good_seconds, limiter=self._limiter, abandon_on_cancel=True
        )

    async def ask_soon(
        self, key: Hashable, make: Callable[[Reader], T], seconds: float, *, good_seconds: float = 0.0
    ) -> T:
        """As `ask`, but what takes longer goes on without us: the last answer, however old, stands for it.

        Raises:
            StillAsking: there is no last answer.
            StoreError: the store could not be read.

        """
        with anyio.move_on_after(seconds):
            return await self.ask(key, make, good_seconds=good_seconds)
        entry = self._entry(key)
        if not entry.is_made:
            raise StillAsking
        answer: T = entry.answer  # type: ignore[assignment] # a key has answers of one type only
        return answer

    def _ask(self, key: Hashable, make: Callable[[Reader], T], good_seconds: float) -> T:
        entry = self._entry(key)
        with entry.lock:
            if not entry.is_good(self._version):
                with self._room:
                    entry.version = self._version()
                    begin = time.monotonic()
                    with closing(self._open_reader(self._store)) as reader:
                        entry.answer = make(_Once(reader))
                    entry.keep(time.monotonic() - begin, good_seconds)
            answer: T = entry.answer  # type: ignore[assignment] # a key has answers of one type only
            return answer

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > _KEPT:
                self._entries.popitem(last=False)
            return entry

    def _version(self) -> Hashable:
        """What changes whenever the store's files do; None without a folder, so that time alone counts."""
        folder = Path(self._store)
        if is_url(self._store) or not folder.is_dir():
            return None
        files = ((path.name, path.stat()) for path in folder.rglob("*.[jp]*"))
        try:
            return hash(frozenset((name, stat.st_size, stat.st_mtime_ns) for name, stat in files))
        except OSError:
            return None  # a file went away in the middle, so something did change


class _Once:
    """A reader for one answer, which asks the store nothing twice: an analysis and its charts share much."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[Hashable, list[dict[str, Any]]] = {}

    @property
    def dialect(self) -> Dialect:
        return self._reader.dialect

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        key = (sql, tuple(parameters))
        if key not in self._known:
            self._known[key] = self._reader.rows(sql, parameters)
        return self._known[key]

    def close(self) -> None:
        self._reader.close()


class _Entry:
    """One answer, and how long it is good."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answer: object = None
        self.version: Hashable = None
        self._made_at = float("-inf")
        self._good_seconds = 0.0

    @property
    def is_made(self) -> bool:
        """True once there is an answer."""
        return self._made_at > float("-inf")

    def keep(self, seconds: float, good_seconds: float) -> None:
        """Keep the answer, which took so long to make, for `good_seconds` at least."""
        self._made_at = time.monotonic()
        self._good_seconds = max(_GOOD_SECONDS, good_seconds, _GOOD_TIMES * seconds)

    def is_good(self, version: Callable[[], Hashable]) -> bool:
        """True while it is young, or not old and nothing has changed since."""
        age = time.monotonic() - self._made_at
        if age < self._good_seconds:
            return True
        if age >= _UNCHANGED_TIMES * self._good_seconds or self.version is None:
            return False
        return self.version == version()
