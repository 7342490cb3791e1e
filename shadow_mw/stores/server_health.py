"""A look at a store that a server keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from shadow_mw.protocols import Reader
from shadow_mw.stores.health import Health, readable_size

_MOST_SECONDS_APART = 30.0
_POSTGRES = """
SELECT count(*) AS pieces, coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS size_bytes,
    extract(epoch FROM clock_timestamp())::double precision AS now_seconds
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'shadow_mw' AND c.relispartition AND c.relkind = 'r'
"""
_CLICKHOUSE = """
SELECT count() AS pieces, sum(bytes_on_disk) AS size_bytes,
    toUnixTimestamp64Milli(now64(3)) / 1000 AS now_seconds
FROM system.parts WHERE database = currentDatabase() AND active
"""


def examine_postgres(reader: Reader, clock: Callable[[], float] = time.time) -> Iterator[Health]:
    """Size and clock of a PostgreSQL store; its server mends itself."""
    return _examine(reader, _POSTGRES, "daily partitions", clock)


def examine_clickhouse(reader: Reader, clock: Callable[[], float] = time.time) -> Iterator[Health]:
    """Size and clock of a ClickHouse store; its server mends itself."""
    return _examine(reader, _CLICKHOUSE, "parts", clock)


def _examine(reader: Reader, sql: str, pieces: str, clock: Callable[[], float]) -> Iterator[Health]:
    (row,) = reader.rows(sql)
    (newest,) = reader.rows("SELECT max(ts_us) AS ts_us FROM comparisons")
    yield Health("ok", "the server lets us in, and its tables are there")
    yield Health("ok", f"they hold {readable_size(float(row['size_bytes']))} in {row['pieces']} {pieces}")
    yield from _clocks(row, newest, clock())


def _clocks(row: dict[str, Any], newest: dict[str, Any], now: float) -> Iterator[Health]:
    apart = abs(float(row["now_seconds"]) - now)
    if apart > _MOST_SECONDS_APART:
        yield Health("note", f"the clocks of server and host are {apart:.0f} seconds apart", "set them right")
    if newest["ts_us"] and newest["ts_us"] / 1e6 > now + _MOST_SECONDS_APART:
        yield Health("note", "there are records of the future", "set the clock of the app's hosts right")
