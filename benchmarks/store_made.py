"""Made-up stores of any size: realistic columns, straight to Parquet by SQL, and copies on servers."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from shadow_mw.records import Comparison, Pulse, Tally, Truth
from shadow_mw.stores.layout import TABLES, Layout
from shadow_mw.stores.reader import open_reader

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

DAY_US = 86_400_000_000
END_US = 1_790_035_200_000_000  # midnight UTC
_FOLDERS = {Comparison: "cold", Tally: "tallies", Truth: "truths", Pulse: "pulses"}

#: `r` numbers that look random and are the same each time: a hash of the row's number and a letter.
_CHANCE = "(hash(i, '{letter}') % 10000) / 10000.0"
_COMPARISONS = """
WITH chances AS (
    SELECT i, {start} + (i - {first}) * {step} AS ts_us,
        {a} AS fate, {b} AS wrong, {c} AS x, {d} AS y, {e} AS z, (hash(i) // 2)::BIGINT AS h
    FROM range({first}, {last}) AS numbers(i)
), fates AS (
    SELECT *, fate < 0.005 AS has_failed, fate >= 0.005 AND fate < 0.01 AS is_late,
        fate >= 0.01 AND fate < 0.02 AS is_alone, i % 20 = 1 AS is_control,
        fate >= 0.02 AND wrong <
            CASE WHEN i % 20 = 1 THEN 0.002 WHEN x < 0.1 THEN 0.05 ELSE 0.008 END AS differs
    FROM chances
)
SELECT 1 AS schema_version,
    format('{{:012x}}-{{:016x}}', ts_us, h) AS record_id,
    format('{{:016x}}', hash(i - CASE WHEN is_control THEN 1 ELSE 0 END, 'request')) AS request_id,
    format('{{:016x}}{{:016x}}', h, h) AS trace_id, format('{{:016x}}', h) AS production_span_id,
    format('{{:016x}}', hash(h)) AS shadow_span_id,
    CASE WHEN is_control THEN ts_us - {step} ELSE ts_us END AS ts_us,
    'shop' AS service, 'host-' || (h % 4) || '-' || (1000 + h % 4) AS instance,
    CASE WHEN (i - i % 20) % 3 = 0 THEN 'POST /v1/models/{{name}}:predict' ELSE 'POST /predict' END AS route,
    'POST' AS method,
    CASE WHEN is_control THEN 'twin' WHEN x < 0.8 THEN 'forest' ELSE 'boosted' END AS shadow,
    CASE WHEN is_control THEN 'control' ELSE 'shadow' END AS role,
    CASE WHEN ts_us < {middle} THEN 'v1' ELSE 'v2' END AS production_version, 'c7' AS shadow_version,
    1.0 AS sample_rate, 'async' AS mode, 'process:' AS queue,
    CASE WHEN has_failed THEN 'shadow_error' WHEN is_late THEN 'shadow_timeout'
        WHEN is_alone THEN 'production_error' ELSE 'compared' END AS bucket,
    CASE WHEN has_failed THEN 'error' WHEN is_late THEN 'timeout' ELSE 'answered' END AS outcome,
    CASE WHEN has_failed THEN '503' WHEN is_late THEN 'ShadowTimeout' ELSE '' END AS error_type,
    CASE WHEN has_failed THEN 'the shadow answered with status 503' ELSE '' END AS error,
    CASE WHEN is_alone THEN 'error' ELSE 'answered' END AS production_outcome,
    CASE WHEN is_alone THEN '500' ELSE '' END AS production_error_type,
    CASE WHEN is_alone THEN 500 ELSE 200 END AS production_status,
    CASE WHEN has_failed THEN 503 WHEN is_late THEN 0 ELSE 200 END AS shadow_status,
    (8000 * exp(1.2 * (x + y + z - 1.5)))::BIGINT AS production_us,
    (9000 * exp(1.4 * (x + y + wrong - 1.5)))::BIGINT AS shadow_us,
    (200 + 800 * z)::BIGINT AS queue_us, 'close' AS comparator,
    CASE WHEN fate < 0.02 THEN 'none' WHEN differs THEN 'disagree' ELSE 'agree' END AS verdict, '' AS reason,
    CASE WHEN fate < 0.02 THEN NULL WHEN differs THEN round(x * y, 4) ELSE 0.0 END AS delta,
    CASE WHEN NOT differs THEN []::VARCHAR[] WHEN y < 0.5 THEN ['$.label', '$.score']
        WHEN y < 0.9 THEN ['$.score'] ELSE ['$.explanation[' || (h % 30) || '].weight'] END AS diff_paths,
    CASE WHEN fate < 0.02 THEN 0 ELSE 1 END AS items,
    CASE WHEN fate < 0.02 OR differs THEN 0 ELSE 1 END AS items_agree,
    CASE WHEN fate < 0.02 THEN NULL ELSE 'class-' || (h % 8) END AS production_label,
    CASE WHEN fate < 0.02 THEN NULL WHEN differs AND y < 0.5 THEN 'class-' || ((h + 1 + h % 3) % 8)
        ELSE 'class-' || (h % 8) END AS shadow_label,
    CASE WHEN fate < 0.02 THEN NULL ELSE round(y, 3) END AS production_score,
    CASE WHEN fate < 0.02 THEN NULL WHEN differs THEN round((y + z) / 2, 3)
        ELSE round(y, 3) END AS shadow_score,
    MAP {{'country': ['de', 'fr', 'it', 'es', 'pl', 'nl', 'at', 'pt', 'se', 'dk'][1 + (10 * x)::INT % 10],
        'tier': ['free', 'pro', 'team'][1 + h % 3], 'age': ((h % 7) * 10)::VARCHAR || '+'}} AS segments,
    format('{{{{"country": "de", "amount": {{}}, "items": [{{}}, {{}}], "text": "{{}}"}}}}',
        round(1000 * z, 2), h % 997, h % 991, repeat('lorem ipsum ', (h % 8)::INT)) AS features,
    format('{{{{"label": "class-{{}}", "score": {{}}}}}}', h % 8, round(y, 3)) AS production_prediction,
    format('{{{{"label": "class-{{}}", "score": {{}}}}}}', h % 8, round(z, 3)) AS shadow_prediction,
    false AS truncated
FROM fates ORDER BY 7
"""
_TALLIES = """
SELECT 1 AS schema_version, minute AS ts_us, 'shop' AS service, 'host-' || worker AS instance, route, shadow,
    MAP {{'eligible': n, 'compared': n - 3, 'shadow_error': 1, 'shadow_timeout': 1, 'queue_full': 1,
        'agree': n - 5, 'disagree': 2}} AS counts
FROM (
    SELECT {start} + i * 60000000 AS minute, ({records} // 1440 // 8 + 5)::BIGINT AS n
    FROM range(1440) AS minutes(i)
), range(4) AS workers(worker),
    (VALUES ('POST /predict'), ('POST /v1/models/{{name}}:predict')) AS routes(route),
    (VALUES ('forest'), ('boosted')) AS shadows(shadow)
ORDER BY 2
"""
_TRUTHS = """
SELECT 1 AS schema_version, {start} + 3600000000 + (i - {first}) * {step} AS ts_us,
    format('{{:016x}}', hash(i, 'request')) AS request_id,
    CASE WHEN i % 2 = 0 THEN 'class-' || (hash(i) % 8) ELSE ((i % 1000) / 1000.0)::VARCHAR END AS truth,
    CASE WHEN i % 2 = 0 THEN NULL ELSE (i % 1000) / 1000.0 END AS value
FROM range({first}, {last}, 50) AS numbers(i) ORDER BY 2
"""
_PULSES = """
SELECT 1 AS schema_version, {start} + i * 5000000 AS ts_us, 'shop' AS service,
    'host-' || worker AS instance, shadow, 'closed' AS circuit, (i % 8) AS active, 8 AS "limit", 0 AS waiting
FROM range(17280) AS beats(i), range(4) AS workers(worker),
    (VALUES ('forest'), ('boosted')) AS shadows(shadow)
ORDER BY 2
"""
_MADE = {Comparison: _COMPARISONS, Tally: _TALLIES, Truth: _TRUTHS, Pulse: _PULSES}


def make_store(folder: Path, records: int, days: int) -> None:
    """Make an embedded store as compactions would leave it: Parquet by day, ordered by time."""
    Layout(folder).prepare()
    database = duckdb.connect(config={"threads": 2, "memory_limit": "2GB"})
    chances = {name: _CHANCE.format(letter=name) for name in "abcde"}
    for day in range(days):
        start, first, last = (
            END_US - (days - day) * DAY_US,
            records * day // days,
            records * (day + 1) // days,
        )
        facts = {
            **chances,
            "start": start,
            "first": first,
            "last": last,
            "step": DAY_US // max(last - first, 1),
            "records": last - first,
            "middle": END_US - days * DAY_US // 2,
        }
        date = dt.datetime.fromtimestamp(start / 1e6, dt.timezone.utc).date().isoformat()
        for kind, sql in _MADE.items():
            target = folder / _FOLDERS[kind] / f"dt={date}" / "part-made.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            database.execute(
                f"COPY ({sql.format(**facts)}) TO '{target}' "
                "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)"
            )
    database.close()


@contextlib.contextmanager
def filled(engine: str, folder: Path) -> Iterator[str]:
    """Where the same records are in another engine."""
    if engine == "embedded":
        yield str(folder)
    elif engine == "clickhouse":
        from shadow_mw.stores.clickhouse import ClickHouseStore

        store = ClickHouseStore("chdb://memory", retention_days=10_000)
        _fill(store, folder)
        yield "chdb://memory"
        store.close()  # and with the last client the engine's memory goes
    else:
        from store_servers import find_postgres, running_postgres

        from shadow_mw.stores.postgres import PostgresStore

        programs = find_postgres()
        assert programs is not None, "apt-get install postgresql"
        with running_postgres(programs) as server:
            store = PostgresStore(server.url(), retention_days=10_000)
            _fill(store, folder)
            store.close()
            yield server.url()


def _fill(store: Any, folder: Path, batch: int = 20_000) -> None:
    """Through the store's own `write`, as a worker would."""
    with open_reader(folder) as reader:
        for table, kind in TABLES.items():
            # Of the pulses none but those of the last day is ever asked for.
            after = END_US - DAY_US if kind is Pulse else 0
            cursor = reader._database.execute(f"SELECT * FROM {table} WHERE ts_us >= {after}")  # noqa: SLF001 - to read in pieces
            names = [column[0] for column in cursor.description]
            while rows := cursor.fetchmany(batch):
                store.write([kind(**_values(names, row)) for row in rows])


def _values(names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
    values = dict(zip(names, row, strict=True))
    if "diff_paths" in values:
        values["diff_paths"] = tuple(values["diff_paths"])
    return values


def is_same(one: Any, other: Any) -> bool:
    """The same answer, but for the order in which floating-point numbers were added."""
    return _plain(one) == _plain(other)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.structs.asdict(value))
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
