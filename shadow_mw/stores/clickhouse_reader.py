"""The reading side of a ClickHouse store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shadow_mw.exceptions import StoreNotFound
from shadow_mw.store_urls import shown
from shadow_mw.stores.clickhouse_connection import connect, database_of, need_driver, sentences
from shadow_mw.stores.dialects import ClickHouseDialect
from shadow_mw.stores.opened import Opened
from shadow_mw.stores.placeholders import with_percent

#: Else a name in SELECT would hide the column of that name in WHERE, as in no other engine.
_SETTINGS = {"prefer_column_name_to_alias": 1}


class ClickHouseReader(Opened):
    """A connection to a ClickHouse store; a context manager. Not thread-safe.

    Texts are `String`, counts and microseconds `Int64`, `diff_paths` is `Array(String)`, `segments` and
    `counts` are maps.
    """

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            StoreError: no connection could be made, or there is no store.
            MissingExtraError: clickhouse-connect is not installed.

        """
        need_driver()
        self._url = url
        with sentences(url, "cannot be opened"):
            self._client = connect(url, **_SETTINGS)
            database = database_of(url)
            found = self._client.query(
                "SELECT count() FROM system.tables WHERE database = %s AND name = 'comparisons'", [database]
            ).result_rows
            if found[0][0]:
                self._client.database = database
        if not found[0][0]:
            self.close()
            raise StoreNotFound(f"there is no store at {shown(url)} yet: mirror some traffic first")

    def __repr__(self) -> str:
        """Name the database, without a password."""
        return f"ClickHouseReader({shown(self._url)!r})"

    @property
    def dialect(self) -> ClickHouseDialect:
        """ClickHouse's."""
        return ClickHouseDialect()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The rows that a query in ClickHouse's SQL yields, by column name; `?` stands for a parameter.

        Raises:
            StoreError: the query is wrong, or the server is away.

        """
        with sentences(self._url, "could not be queried"):
            if parameters:
                result = self._client.query(with_percent(sql), list(parameters))
            else:
                result = self._client.query(sql)
        return list(result.named_results())

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()
