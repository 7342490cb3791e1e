"""Purging by the name of a store: a folder, `postgresql://…` or `clickhouse://…`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from shadow_mw.assembly.stores import open_reader
from shadow_mw.store_urls import POSTGRES_SCHEMES, is_url, scheme, shown
from shadow_mw.wanted import Purged, Wanted


def count(store: str, wanted: Wanted) -> Iterator[Purged]:
    """What `purge` would take away.

    Raises:
        StoreError: there is no store, or it cannot be read.
        MissingExtraError: the library that reads that kind of store is not installed.

    """
    if not is_url(store):
        from shadow_mw.stores.purging import count as count_in_folder

        yield from count_in_folder(store, wanted)
        return
    with contextlib.closing(open_reader(store)) as reader:
        counts = [
            reader.rows(f"SELECT count(*) AS n FROM {table} WHERE {wanted.sql}", wanted.parameters)[0]["n"]  # noqa: S608 - our names, and question marks
            for table in ("comparisons", "truths")
        ]
    yield Purged(place=shown(store), comparisons=int(counts[0]), truths=int(counts[1]))


def purge(store: str, wanted: Wanted) -> Iterator[Purged]:
    """Take it away.

    Raises:
        StoreError: there is no store, or it cannot be written.
        MissingExtraError: as with `count`.

    """
    if not is_url(store):
        from shadow_mw.stores.purging import purge as purge_folder

        yield from purge_folder(store, wanted)
        return
    open_reader(store).close()  # it says in words where there is none
    from shadow_mw.stores.server_purging import purge_clickhouse, purge_postgres

    yield (purge_postgres if scheme(store) in POSTGRES_SCHEMES else purge_clickhouse)(store, wanted)
