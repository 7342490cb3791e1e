"""The writing side of a ClickHouse store: direct inserts of whole batches."""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections.abc import Sequence
from typing import Any

from shadow_mw.records import Record, Tally
from shadow_mw.store_urls import shown
from shadow_mw.stores.clickhouse_connection import connect, database_of, need_driver, sentences
from shadow_mw.stores.clickhouse_schema import prepare
from shadow_mw.stores.layout import TABLES
from shadow_mw.stores.rows import row

_NAMES: dict[type, str] = {kind: table for table, kind in TABLES.items()}
#: ClickHouse counts time to the year 2106; what lies beyond counts as long past.
_LONGEST_DAYS = 40 * 365


class ClickHouseStore:
    """A store in a ClickHouse database. Thread-safe and fork-safe.

    The database and its tables are made at the first write; the server drops what is older than
    `retention_days`. A batch becomes one insert a table, the comparisons before the tallies that count
    them; ClickHouse has no transaction over both, so where the second fails the batch is reported as lost
    although its comparisons were kept. An insert that is sent again is not kept twice.
    """

    def __init__(self, url: str, *, retention_days: float) -> None:
        """Name the database; nothing connects before the first write.

        Raises:
            MissingExtraError: clickhouse-connect is not installed.

        """
        need_driver()
        self._url = url
        self._database = database_of(url)
        self._retention_seconds = int(min(retention_days, _LONGEST_DAYS) * 86_400)
        self._lock = threading.Lock()
        self._client: Any = None
        self._pid = os.getpid()

    def __repr__(self) -> str:
        """Name the database, without a password."""
        return f"ClickHouseStore({shown(self._url)!r})"

    def write(self, batch: Sequence[Record]) -> None:
        """Append a batch.

        Raises:
            StoreError: the batch could not be kept; a later one may be, once the server is back.

        """
        rows: dict[type, list[list[Any]]] = {}
        for record in batch:
            rows.setdefault(type(record), []).append(row(record))
        if os.getpid() != self._pid:  # a forked child: client and lock are the parent's
            self._pid, self._client, self._lock = os.getpid(), None, threading.Lock()
        with self._lock, sentences(self._url, "cannot be written"):
            try:
                for kind in sorted(rows, key=lambda kind: kind is Tally):
                    self._insert(kind, rows[kind])
            except BaseException:
                self._let_go()
                raise

    def close(self) -> None:
        """Give the connection back; a later write opens another."""
        with self._lock:
            self._let_go()

    def _insert(self, kind: type, rows: list[list[Any]]) -> None:
        from clickhouse_connect.driver.exceptions import OperationalError

        token = str(uuid.uuid4())
        try:
            self._send(kind, rows, token)
        except OperationalError:  # perhaps a connection that the server had closed
            self._let_go()
            self._send(kind, rows, token)

    def _send(self, kind: type, rows: list[list[Any]], token: str) -> None:
        self._connected().insert(
            _NAMES[kind],
            rows,
            column_names=kind.__struct_fields__,  # type: ignore[attr-defined] # every struct has it
            database=self._database,
            settings={"insert_deduplication_token": token},
        )

    def _connected(self) -> Any:
        if self._client is None:
            self._client = connect(self._url)
            prepare(self._client, self._database, self._retention_seconds)
        return self._client

    def _let_go(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()
