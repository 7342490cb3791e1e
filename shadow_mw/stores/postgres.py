"""The writing side of a PostgreSQL store: COPY into daily partitions."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from shadow_mw.records import Comparison, Record
from shadow_mw.store_urls import shown
from shadow_mw.stores.layout import TABLES
from shadow_mw.stores.postgres_connection import connect, need_driver, sentences
from shadow_mw.stores.postgres_schema import DAY_US, SCHEMA, drop_days, make_days, prepare, wire_type
from shadow_mw.stores.rows import row
from shadow_mw.stores.shapes import Shape, fields

if TYPE_CHECKING:
    import psycopg

_SESSION = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}
_NAMES: dict[type, str] = {kind: table for table, kind in TABLES.items()}
_MAPS: tuple[Shape, ...] = ("words", "counts")


class PostgresStore:
    """A store in a PostgreSQL database, in the schema `shadow_mw`. Thread-safe and fork-safe.

    Tables and daily partitions are made at the first write that needs them; partitions that are older than
    `retention_days` are dropped when a day begins. A batch is one transaction. While the server is away
    each write raises; once it is back the next one connects anew.
    """

    def __init__(self, url: str, *, retention_days: float, clock: Callable[[], float] = time.time) -> None:
        """Name the database; nothing connects before the first write. `clock` tells Unix time in seconds.

        Raises:
            MissingExtraError: psycopg is not installed.

        """
        need_driver()
        self._url = url
        self._retention_days = retention_days
        self._clock = clock
        self._lock = threading.Lock()
        self._begin()
        _stores.add(self)

    def __repr__(self) -> str:
        """Name the database, without a password."""
        return f"PostgresStore({shown(self._url)!r})"

    def write(self, batch: Sequence[Record]) -> None:
        """Append a batch in one transaction; a comparison that is there already is left out.

        Raises:
            StoreError: the batch could not be kept; a later one may be, once the server is back.

        """
        if not batch:
            return
        rows: dict[type, list[list[Any]]] = {}
        for record in batch:
            rows.setdefault(type(record), []).append(row(record))
        with self._lock, sentences(self._url, "cannot be written"):
            try:
                self._write(rows)
            except BaseException:
                self._let_go()
                raise

    def close(self) -> None:
        """Give the connection back; a later write opens another."""
        with self._lock:
            self._let_go()

    def _begin(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._days: set[tuple[type, int]] = set()
        self._pruned: int | None = None

    def _write(self, rows: dict[type, list[list[Any]]]) -> None:
        import psycopg

        connection = self._connected()
        self._make_room(connection, rows)
        try:
            _copy(connection, rows)
        except psycopg.errors.UniqueViolation:
            _copy(connection, rows, is_repeated=True)

    def _connected(self) -> psycopg.Connection[Any]:
        """The connection, tried out: a restart of the server in between must not cost a batch."""
        if self._connection is not None and not _answers(self._connection):
            self._let_go()
        if self._connection is None:
            self._connection = connect(self._url, **_SESSION)
            prepare(self._connection)
        return self._connection

    def _make_room(self, connection: psycopg.Connection[Any], rows: dict[type, list[list[Any]]]) -> None:
        self._drop_old(connection)
        for kind, several in rows.items():
            place = kind.__struct_fields__.index("ts_us")  # type: ignore[attr-defined] # every struct has it
            days = {(kind, values[place] // DAY_US) for values in several} - self._days
            make_days(connection, _NAMES[kind], [day for _, day in days])
            self._days |= days

    def _drop_old(self, connection: psycopg.Connection[Any]) -> None:
        """Drop what is too old, once a day and connection."""
        today = int(self._clock() * 1e6) // DAY_US
        if self._pruned == today:
            return
        self._pruned = today
        oldest = int((self._clock() - self._retention_days * 86_400) * 1e6) // DAY_US
        drop_days(connection, oldest)
        self._days = {(kind, day) for kind, day in self._days if day >= oldest}

    def _let_go(self) -> None:
        connection = self._connection
        self._begin()
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def _forget_parent(self) -> None:
        """Run in a forked child: the connection is the parent's, so nothing may be said over it here."""
        self._lock = threading.Lock()
        connection = self._connection
        self._begin()
        if connection is not None:
            with contextlib.suppress(Exception):
                # Its destructor says goodbye, which would end the parent's session.
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, connection.fileno())
                os.close(nowhere)
                connection.close()


def _answers(connection: psycopg.Connection[Any]) -> bool:
    import psycopg

    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _copy(
    connection: psycopg.Connection[Any], rows: dict[type, list[list[Any]]], *, is_repeated: bool = False
) -> None:
    with connection.transaction():
        for kind, several in rows.items():
            table = f"{SCHEMA}.{_NAMES[kind]}"
            if is_repeated and kind is Comparison:
                _copy_new(connection, table, kind, several)
            else:
                _copy_all(connection, table, kind, several)


def _copy_new(connection: psycopg.Connection[Any], table: str, kind: type, several: list[list[Any]]) -> None:
    """Copy those whose key is not there yet, over a table that goes with the transaction."""
    connection.execute(f"CREATE TEMP TABLE fresh (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP".encode())
    _copy_all(connection, "fresh", kind, several)
    names = ", ".join(field.column for field in fields(kind))
    connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM fresh ON CONFLICT DO NOTHING".encode()  # noqa: S608 - our names
    )


def _copy_all(connection: psycopg.Connection[Any], table: str, kind: type, several: list[list[Any]]) -> None:
    from psycopg.types.json import Jsonb

    columns = fields(kind)
    names = ", ".join(field.column for field in columns)
    maps = [place for place, field in enumerate(columns) if field.shape in _MAPS]
    with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
        copy.set_types([wire_type(field) for field in columns])
        for values in several:
            sent = values.copy()
            for place in maps:
                sent[place] = Jsonb(values[place], msgspec.json.encode)
            copy.write_row(sent)


_stores: weakref.WeakSet[PostgresStore] = weakref.WeakSet()


def _forget_parents() -> None:
    for store in list(_stores):
        store._forget_parent()  # noqa: SLF001 - the fork hook is part of the class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
