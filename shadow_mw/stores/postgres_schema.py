"""The tables of a PostgreSQL store: one schema, one partition a day, made as they are needed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.layout import TABLES
from shadow_mw.stores.shapes import Field, Shape, fields

if TYPE_CHECKING:
    import psycopg

SCHEMA = "shadow_mw"
FORMAT_VERSION = 1
DAY_US = 86_400_000_000
_FIRST_DAY = dt.date(1970, 1, 1).toordinal()
#: Any number will do, as long as all workers use the same.
_DDL_LOCK = 7_313_091_544_208
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '500ms'"

#: Texts are ordered by their bytes, as the other engines do, whatever the database's own order is.
_BYTEWISE = 'COLLATE "C"'
_TEXT = f"text {_BYTEWISE}"
_TYPES: dict[Shape, str] = {
    "text": _TEXT,
    "word": _TEXT,
    "flag": "boolean",
    "count": "bigint",
    "number": "double precision",
    "texts": f"text[] {_BYTEWISE}",
    "words": "jsonb",
    "counts": "jsonb",
}
_EMPTY: dict[Shape, str] = {"texts": "'{}'", "words": "'{}'", "counts": "'{}'"}
_INDEXES = {
    "comparisons": (
        'PRIMARY KEY ("record_id", "ts_us")',
        'USING brin ("ts_us")',
        'USING btree ("request_id")',
        'USING btree ("shadow", "delta" DESC NULLS LAST) WHERE "verdict" = \'disagree\'',
    ),
    "tallies": ('USING btree ("shadow", "ts_us")',),
    "truths": ('USING btree ("request_id", "ts_us")',),
    "pulses": ('USING btree ("ts_us")',),
}


def wire_type(field: Field) -> str:
    """The name of the type in which a field is sent."""
    return _TYPES[field.shape].removesuffix(_BYTEWISE).strip().replace("double precision", "float8")


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make what is missing of schema, tables and columns; safe when several workers start at once.

    Raises:
        StoreError: the tables are of another version.

    """
    with connection.transaction():
        _only_one(connection)
        _run(connection, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        _check_version(connection)
        for table, kind in TABLES.items():
            _make_table(connection, table, kind)


def make_days(connection: psycopg.Connection[Any], table: str, days: Iterable[int]) -> None:
    """Make the partitions of these days (counted from 1970) that are missing.

    They are attached and not created in place, which needs no lock that readers or writers would wait for.
    """
    for day in sorted(days):
        with connection.transaction():
            _only_one(connection)
            name = partition(table, day)
            if _exists(connection, name):
                continue
            _run(connection, f"CREATE TABLE {SCHEMA}.{name} (LIKE {SCHEMA}.{table} INCLUDING DEFAULTS)")
            _run(
                connection,
                f"ALTER TABLE {SCHEMA}.{table} ATTACH PARTITION {SCHEMA}.{name} "
                f"FOR VALUES FROM ({day * DAY_US}) TO ({(day + 1) * DAY_US})",
            )


def drop_days(connection: psycopg.Connection[Any], before: int) -> None:
    """Drop the partitions of all days before one; one that is being read for longer is left for later."""
    import psycopg

    for name in _partitions(connection):
        day = _day_of(name)
        if day is None or day >= before:
            continue
        try:
            with connection.transaction():
                _run(connection, _LOCK_TIMEOUT)
                _run(connection, f"DROP TABLE IF EXISTS {SCHEMA}.{name}")
        except psycopg.errors.LockNotAvailable:
            continue


def partition(table: str, day: int) -> str:
    """The name of a day's partition, as `comparisons_20261122`.

    Raises:
        StoreError: it is a day that no calendar has.

    """
    try:
        return f"{table}_{dt.date.fromordinal(_FIRST_DAY + day):%Y%m%d}"
    except (OverflowError, ValueError):
        raise StoreError(f"a record's time is out of range: {day} days after 1970") from None


def _day_of(name: str) -> int | None:
    match = re.fullmatch(rf"(?:{'|'.join(TABLES)})_(\d{{4}})(\d\d)(\d\d)", name)
    if match is None:
        return None
    return dt.date(*map(int, match.groups())).toordinal() - _FIRST_DAY


def _only_one(connection: psycopg.Connection[Any]) -> None:
    """Wait until no other worker changes the tables; until the end of the transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_DDL_LOCK])


def _check_version(connection: psycopg.Connection[Any]) -> None:
    _run(connection, f"CREATE TABLE IF NOT EXISTS {SCHEMA}.format (version integer NOT NULL)")
    found = connection.execute(f"SELECT version FROM {SCHEMA}.format").fetchone()  # noqa: S608 - a constant
    if found is None:
        _run(connection, f"INSERT INTO {SCHEMA}.format VALUES ({FORMAT_VERSION})")  # noqa: S608 - constants
    elif found[0] != FORMAT_VERSION:
        raise StoreError(
            f"the tables in schema {SCHEMA} have format {found[0]}, and this shadow-mw knows only "
            f"{FORMAT_VERSION}: upgrade shadow-mw or name another database"
        )


def _make_table(connection: psycopg.Connection[Any], table: str, kind: type) -> None:
    if not _exists(connection, table):
        columns = ", ".join(map(_definition, fields(kind)))
        _run(connection, f"CREATE TABLE {SCHEMA}.{table} ({columns}) PARTITION BY RANGE (ts_us)")
        for index in _INDEXES[table]:
            _run(connection, _index(table, index))
        return
    known = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
        [SCHEMA, table],
    ).fetchall()
    for field in fields(kind):
        if (field.name,) not in known:
            _run(connection, f"ALTER TABLE {SCHEMA}.{table} ADD COLUMN {_definition(field)}")


def _index(table: str, index: str) -> str:
    if index.startswith("PRIMARY"):
        return f"ALTER TABLE {SCHEMA}.{table} ADD {index}"
    return f"CREATE INDEX ON {SCHEMA}.{table} {index}"


def _definition(field: Field) -> str:
    if field.is_optional:
        return f"{field.column} {_TYPES[field.shape]}"
    default = _EMPTY.get(field.shape)
    if field.default is not None:
        default = "'" + str(field.default).replace("'", "''") + "'"
    given = f" DEFAULT {default}" if default is not None else ""
    return f"{field.column} {_TYPES[field.shape]} NOT NULL{given}"


def _exists(connection: psycopg.Connection[Any], table: str) -> bool:
    found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{SCHEMA}.{table}"]).fetchone()
    return bool(found and found[0])


def _partitions(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relispartition AND c.relkind = 'r' ORDER BY 1",
        [SCHEMA],
    ).fetchall()
    return [str(name) for (name,) in rows]


def _run(connection: psycopg.Connection[Any], sql: str) -> None:
    """Run a statement of ours, put together from names in this package alone."""
    connection.execute(sql.encode())
