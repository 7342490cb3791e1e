"""Purging the stores that a server keeps."""

from __future__ import annotations

from shadow_mw.store_urls import shown
from shadow_mw.stores import clickhouse_connection, postgres_connection
from shadow_mw.stores.clickhouse_schema import table_name
from shadow_mw.stores.placeholders import with_percent
from shadow_mw.stores.postgres_schema import SCHEMA
from shadow_mw.wanted import Purged, Wanted

_TABLES = ("comparisons", "truths")


def purge_postgres(url: str, wanted: Wanted) -> Purged:
    """Delete from both tables in one transaction.

    Raises:
        StoreError: the server is away, refuses, or has no store.

    """
    with postgres_connection.sentences(url, "cannot be purged"):
        connection = postgres_connection.connect(url, lock_timeout="10s")
        with connection, connection.transaction():
            counts = [
                connection.execute(
                    with_percent(f"DELETE FROM {SCHEMA}.{table} WHERE {wanted.sql}").encode(),  # noqa: S608 - our names, and question marks
                    wanted.parameters,
                ).rowcount
                for table in _TABLES
            ]
    return Purged(place=shown(url), comparisons=counts[0], truths=counts[1])


def purge_clickhouse(url: str, wanted: Wanted) -> Purged:
    """Have the parts of both tables written anew without them, and wait for that.

    Raises:
        StoreError: the server is away, refuses, or has no store.

    """
    with clickhouse_connection.sentences(url, "cannot be purged"):
        client = clickhouse_connection.connect(url, mutations_sync=2)
        try:
            database = clickhouse_connection.database_of(url)
            where, parameters = with_percent(wanted.sql), wanted.parameters
            counts = []
            for table in _TABLES:
                name = table_name(database, table)
                found = client.query(f"SELECT count() FROM {name} WHERE {where}", parameters).result_rows  # noqa: S608 - our names
                counts.append(int(found[0][0]))
                if counts[-1]:
                    client.command(f"ALTER TABLE {name} DELETE WHERE {where}", parameters)
        finally:
            client.close()
    return Purged(place=shown(url), comparisons=counts[0], truths=counts[1])
