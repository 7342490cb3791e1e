"""Stores and readers by name: a folder, `postgresql://…` or `clickhouse://…`."""

from __future__ import annotations

from pathlib import Path

from shadow_mw.exceptions import StoreError
from shadow_mw.protocols import Reader, Store
from shadow_mw.settings import Settings
from shadow_mw.store_urls import CLICKHOUSE_SCHEMES, POSTGRES_SCHEMES, checked_store, scheme


def make_store(settings: Settings) -> Store | None:
    """The store that `SHADOW_STORE` names, or None for `none`; nothing is opened before the first write.

    Raises:
        MissingExtraError: the driver of that kind of store is not installed.

    """
    where, days = settings.store, settings.retention_days
    if where == "none":
        return None
    if scheme(where) in POSTGRES_SCHEMES:
        from shadow_mw.stores.postgres import PostgresStore

        return PostgresStore(where, retention_days=days)
    if scheme(where) in CLICKHOUSE_SCHEMES:
        from shadow_mw.stores.clickhouse import ClickHouseStore

        return ClickHouseStore(where, retention_days=days)
    from shadow_mw.stores.segments import SegmentStore

    return SegmentStore(where, max_bytes=int(settings.store_bytes), retention_days=days)


def reach(url: str) -> None:
    """Connect to a store on a server, and look at nothing.

    Raises:
        StoreError: it cannot be reached, or does not let us in.
        MissingExtraError: the driver is not installed.

    """
    if scheme(url) in POSTGRES_SCHEMES:
        from shadow_mw.stores.postgres_connection import try_out

        try_out(url)
    else:
        from shadow_mw.stores.clickhouse_connection import try_out as try_clickhouse

        try_clickhouse(url)


def open_reader(where: Path | str) -> Reader:
    """Open a store for questions; close it after use.

    Raises:
        StoreError: there is no store, or it cannot be read; the message says how to mend it.
        MissingExtraError: the library that reads that kind of store is not installed.

    """
    name = str(where)
    try:
        checked_store(name)
    except ValueError as error:
        raise StoreError(str(error)) from None
    if scheme(name) in POSTGRES_SCHEMES:
        from shadow_mw.stores.postgres_reader import PostgresReader

        return PostgresReader(name)
    if scheme(name) in CLICKHOUSE_SCHEMES:
        from shadow_mw.stores.clickhouse_reader import ClickHouseReader

        return ClickHouseReader(name)
    from shadow_mw.stores.reader import open_reader as open_folder

    return open_folder(where)
