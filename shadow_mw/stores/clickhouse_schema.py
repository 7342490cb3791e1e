"""The tables of a ClickHouse store, made as they are needed."""

from __future__ import annotations

from typing import Any

from shadow_mw.stores.layout import TABLES
from shadow_mw.stores.shapes import Field, Shape, fields

#: Texts of which a table holds few different ones.
_FEW = frozenset(
    {
        "service", "instance", "route", "method", "shadow", "production_version", "shadow_version", "queue",
        "outcome", "error_type", "production_outcome", "production_error_type", "comparator",
    }
)  # fmt: skip
_TYPES: dict[Shape, str] = {
    "text": "String",
    "word": "LowCardinality(String)",
    "flag": "Bool",
    "count": "Int64",
    "number": "Float64",
    "texts": "Array(String)",
    "words": "Map(LowCardinality(String), String)",
    "counts": "Map(LowCardinality(String), Int64)",
}
_ORDER = {
    "comparisons": "shadow, route, ts_us",
    "tallies": "shadow, route, ts_us",
    "truths": "request_id, ts_us",
    "pulses": "shadow, instance, ts_us",
}
_INDEXES = {
    "comparisons": (
        "INDEX by_request request_id TYPE bloom_filter GRANULARITY 4",
        "INDEX by_record record_id TYPE bloom_filter GRANULARITY 4",
    )
}
#: How many batches are remembered, so that one that is sent again is not kept twice.
_REMEMBERED = 1000


def prepare(client: Any, database: str, retention_seconds: int) -> None:
    """Make what is missing of database, tables and columns, and set how long rows are kept."""
    client.command(f"CREATE DATABASE IF NOT EXISTS {_name(database)}")
    for table, kind in TABLES.items():
        client.command(_create(database, table, kind, retention_seconds))
        _add_columns(client, database, table, kind)
        _keep_for(client, database, table, retention_seconds)


def table_name(database: str, table: str) -> str:
    """A table with its database, as SQL."""
    return f"{_name(database)}.{table}"


def _name(text: str) -> str:
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _create(database: str, table: str, kind: type, retention_seconds: int) -> str:
    columns = ", ".join([*map(_definition, fields(kind)), *_INDEXES.get(table, ())])
    return (
        f"CREATE TABLE IF NOT EXISTS {table_name(database, table)} ({columns}) ENGINE = MergeTree "
        f"PARTITION BY intDiv(ts_us, 86400000000) ORDER BY ({_ORDER[table]}) {_ttl(retention_seconds)} "
        "SETTINGS ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, "
        f"non_replicated_deduplication_window = {_REMEMBERED}"
    )


def _ttl(retention_seconds: int) -> str:
    return f"TTL toDateTime(intDiv(ts_us, 1000000)) + toIntervalSecond({retention_seconds})"


def _definition(field: Field) -> str:
    type_ = _TYPES[field.shape]
    if field.name in _FEW:
        type_ = "LowCardinality(String)"
    if field.is_optional:
        return f"{field.column} Nullable({type_})"
    if field.default is None:
        return f"{field.column} {type_}"
    default = str(field.default).replace("\\", "\\\\").replace("'", "\\'")
    return f"{field.column} {type_} DEFAULT '{default}'"


def _add_columns(client: Any, database: str, table: str, kind: type) -> None:
    found = client.query(
        "SELECT name FROM system.columns WHERE database = %s AND table = %s", [database, table]
    ).result_rows
    known = {name for (name,) in found}
    for field in fields(kind):
        if field.name not in known:
            name = table_name(database, table)
            client.command(f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {_definition(field)}")


def _keep_for(client: Any, database: str, table: str, retention_seconds: int) -> None:
    """Set how long rows are kept where that has changed; what is there follows in the background."""
    found = client.query(
        "SELECT create_table_query FROM system.tables WHERE database = %s AND name = %s", [database, table]
    ).result_rows
    if f"toIntervalSecond({retention_seconds})" not in found[0][0]:
        client.command(f"ALTER TABLE {table_name(database, table)} MODIFY {_ttl(retention_seconds)}")
