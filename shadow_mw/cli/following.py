"""A store that is followed: what has come since one looked last."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from shadow_mw.analysis.restraint import held_back_now
from shadow_mw.cli.choosing import conditions
from shadow_mw.cli.where import store_name
from shadow_mw.questions import pulses
from shadow_mw.store_urls import is_url

if TYPE_CHECKING:
    from typing_extensions import Self

    from shadow_mw.protocols import Reader

_COLUMNS = (
    "record_id, ts_us, request_id, route, shadow, role, bucket, outcome, error_type, production_outcome, "
    "production_error_type, production_us, shadow_us, verdict, reason, delta, diff_paths, production_label, "
    "shadow_label"
)
#: A record comes into the store a while after its id was made, and not in the order of ids: workers gather,
#: and the clocks of several hosts differ.
_LATE_SECONDS = 60
#: And its request is older than its id by the time that queue and shadow took.
_OLD_SECONDS = 600


class Following:
    """The new comparisons of a store, each once; a context manager.

    Record ids are UUIDv7 (RFC 9562), whose text sorts by the millisecond in which it was made: all ids of the
    last minute are asked for, and those seen before left out. A folder is opened anew each time, since a
    reader shows the store as it was when it was opened.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Open the store that the command line names.

        Raises:
            StoreError: there is no store, or it cannot be read.
            MissingExtraError: the library that reads that kind of store is not installed.

        """
        self._store = store_name(arguments.store)
        self._chosen, self._parameters = conditions(arguments)
        self._seen: dict[str, None] = {}
        self._looked = time.time()
        self._kept: Reader | None = self._opened() if is_url(self._store) else None
        self.seconds = 0.0
        """How long the last look took."""
        self.held_back = ""
        """What was mirrored at the last look and why not all, as a sentence; empty where it was all."""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        if self._kept is not None:
            self._kept.close()

    def latest(self, count: int) -> list[dict[str, Any]]:
        """The latest so many, the oldest of them first; what is there already is never new.

        Raises:
            StoreError: the store could not be read.

        """
        since = uuid_at(self._looked - _LATE_SECONDS)
        sql = f"SELECT {_COLUMNS} FROM comparisons WHERE {self._chosen} "  # noqa: S608 - no user's text
        shown = self._asked(f"{sql} ORDER BY record_id DESC LIMIT ?", [*self._parameters, count])
        known = self._asked("SELECT record_id FROM comparisons WHERE record_id >= ?", [since])
        self._remember([row["record_id"] for row in (*shown, *known)])
        return shown[::-1]

    def new(self) -> list[dict[str, Any]]:
        """What has come since, by the order of ids.

        Raises:
            StoreError: the store could not be read.

        """
        before, self._looked = self._looked, time.time()
        sql = (
            f"SELECT {_COLUMNS} FROM comparisons WHERE {self._chosen} "  # noqa: S608 - no user's text
            "AND record_id >= ? AND ts_us >= ? ORDER BY record_id"
        )
        bounds = [uuid_at(before - _LATE_SECONDS), int((before - _OLD_SECONDS) * 1e6)]
        rows = [
            row
            for row in self._asked(sql, [*self._parameters, *bounds])
            if row["record_id"] not in self._seen
        ]
        self._remember([row["record_id"] for row in rows])
        return rows

    def _remember(self, ids: list[str]) -> None:
        self._seen.update(dict.fromkeys(ids))
        oldest = uuid_at(self._looked - _LATE_SECONDS)
        self._seen = {one: None for one in self._seen if one >= oldest}

    def _asked(self, sql: str, parameters: list[Any]) -> list[dict[str, Any]]:
        begin = time.monotonic()
        try:
            with self._reader() as reader:
                self.held_back = held_back_now(pulses(reader), int(time.time() * 1e6))
                return reader.rows(sql, parameters)
        finally:
            self.seconds = time.monotonic() - begin

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Reader]:
        if self._kept is not None:
            yield self._kept
            return
        with contextlib.closing(self._opened()) as reader:
            yield reader

    def _opened(self) -> Reader:
        from shadow_mw.assembly.stores import open_reader

        return open_reader(self._store)


def uuid_at(seconds: float) -> str:
    """The least UUIDv7 of a moment, as text."""
    digits = f"{int(seconds * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"
