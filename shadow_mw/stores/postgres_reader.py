"""The reading side of a PostgreSQL store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shadow_mw.exceptions import StoreNotFound
from shadow_mw.store_urls import shown
from shadow_mw.stores.dialects import PostgresDialect
from shadow_mw.stores.opened import Opened
from shadow_mw.stores.placeholders import with_percent
from shadow_mw.stores.postgres_connection import connect, need_driver, sentences
from shadow_mw.stores.postgres_schema import SCHEMA

if TYPE_CHECKING:
    import psycopg

_SESSION = {
    "search_path": SCHEMA,
    "default_transaction_read_only": "on",
    # Compiling takes longer than any question of ours gains by it.
    "jit": "off",
    # Nothing counts the rows of a new partition before autovacuum does, and nothing those of the whole table:
    # the planner then takes a join of millions for one of a few, and loops for minutes.
    "enable_nestloop": "off",
}


class PostgresReader(Opened):
    """A read-only connection to a PostgreSQL store; a context manager. Not thread-safe.

    Texts are `text`, counts and microseconds `bigint`, `diff_paths` is `text[]`, `segments` and `counts`
    are `jsonb`.
    """

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            StoreError: no connection could be made, or there is no store.
            MissingExtraError: psycopg is not installed.

        """
        need_driver()
        self._url = url
        with sentences(url, "cannot be opened"):
            self._connection: psycopg.Connection[Any] = connect(url, **_SESSION)
        if not self.rows("SELECT to_regclass('comparisons') IS NOT NULL AS there")[0]["there"]:
            self.close()
            raise StoreNotFound(f"there is no store at {shown(url)} yet: mirror some traffic first")

    def __repr__(self) -> str:
        """Name the database, without a password."""
        return f"PostgresReader({shown(self._url)!r})"

    @property
    def dialect(self) -> PostgresDialect:
        """PostgreSQL's."""
        return PostgresDialect()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The rows that a query in PostgreSQL's SQL yields, by column name; `?` stands for a parameter.

        Raises:
            StoreError: the query is wrong, or the server is away.

        """
        from psycopg.rows import dict_row

        with (
            sentences(self._url, "could not be queried"),
            self._connection.cursor(row_factory=dict_row) as cursor,
        ):
            if parameters:
                cursor.execute(with_percent(sql).encode(), list(parameters))
            else:
                cursor.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
