"""Stores and readers by name: a folder, `postgresql://…` or `clickhouse://…`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from shadow_mw.exceptions import MissingExtraError, StoreError
from shadow_mw.protocols import Reader, Store
from shadow_mw.settings import Settings, load_settings
from shadow_mw.store_urls import CLICKHOUSE_SCHEMES, POSTGRES_SCHEMES, checked_store, is_url, scheme

if TYPE_CHECKING:
    from shadow_mw.stores.health import Health


def need_driver(store: str) -> None:
    """Make sure that the driver of a server's store is installed, without importing it.

    Raises:
        MissingExtraError: it is not.

    """
    if scheme(store) in POSTGRES_SCHEMES and find_spec("psycopg") is None:
        raise MissingExtraError("A PostgreSQL store", "postgres")
    if scheme(store) in CLICKHOUSE_SCHEMES and find_spec("clickhouse_connect") is None:
        raise MissingExtraError("A ClickHouse store", "clickhouse")


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


def examine(where: Path | str, *, repair: bool = False) -> Iterator[Health]:
    """Look whether a store is whole; with `repair`, mend what is safe to mend in a folder.

    Raises:
        SettingsError: the settings, which tell the size cap of a folder, are wrong.
        StoreError: there is no store.
        MissingExtraError: the driver is not installed.

    """
    name = str(where)
    if not is_url(name):
        from shadow_mw.stores.doctor import examine as examine_folder

        yield from examine_folder(name, max_bytes=int(load_settings().store_bytes), repair=repair)
        return
    from shadow_mw.stores.server_health import examine_clickhouse, examine_postgres

    with contextlib.closing(open_reader(name)) as reader:
        yield from (examine_postgres if scheme(name) in POSTGRES_SCHEMES else examine_clickhouse)(reader)
