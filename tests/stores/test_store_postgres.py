"""The PostgreSQL store, over a real server that the tests start for themselves."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from store_records import comparison, comparisons, tally
from store_servers import Postgres

from shadow_mw.assembly.stores import open_reader
from shadow_mw.exceptions import StoreError
from shadow_mw.records import Pulse, Record, Truth
from shadow_mw.stores.postgres import PostgresStore
from shadow_mw.stores.postgres_reader import PostgresReader

NOW = 1_700_000_000.0
DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: str, clock: Clock) -> Iterator[PostgresStore]:
    store = PostgresStore(database, retention_days=30, clock=clock)
    yield store
    store.close()


def rows(url: str, sql: str) -> list[dict[str, Any]]:
    with PostgresReader(url) as reader:
        return reader.rows(sql)


def stored(url: str) -> list[str]:
    return [row["record_id"] for row in rows(url, "SELECT record_id FROM comparisons ORDER BY record_id")]


def partitions(url: str) -> list[str]:
    found = rows(url, "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname")
    return [row["relname"] for row in found]


def test_every_kind_of_record_is_kept_and_read_back(store: PostgresStore, database: str) -> None:
    truth = Truth(ts_us=7, request_id="q", truth="1.5", value=1.5)
    pulse = Pulse(ts_us=8, shadow="forest", circuit="half-open", limit=8)
    one = comparison("a", diff_paths=("$.x", "$['y, z']"), segments={"land": "d'e"}, delta=0.5)
    store.write([one, tally(eligible=3, agree=2), truth, pulse])

    (row,) = rows(database, "SELECT * FROM comparisons")
    assert (row["record_id"], row["delta"], row["truncated"], row["sample_rate"]) == ("a", 0.5, False, 1.0)
    assert (row["diff_paths"], row["segments"], row["production_label"]) == (
        ["$.x", "$['y, z']"],
        {"land": "d'e"},
        None,
    )
    assert rows(database, "SELECT counts FROM tallies") == [{"counts": {"eligible": 3, "agree": 2}}]
    assert rows(database, "SELECT value FROM truths") == [{"value": 1.5}]
    assert rows(database, 'SELECT circuit, "limit" FROM pulses') == [{"circuit": "half-open", "limit": 8}]


def test_what_the_database_has_not_is_replaced(store: PostgresStore, database: str) -> None:
    store.write(
        [comparison("a\ud800\0b", delta=math.nan, sample_rate=math.inf, segments={"\0": "\ud83d\ude00"})]
    )

    (row,) = rows(database, "SELECT record_id, delta, sample_rate, segments FROM comparisons")
    assert row == {
        "record_id": "a\ufffd\ufffdb",
        "delta": None,
        "sample_rate": 1.0,
        "segments": {"\ufffd": "😀"},
    }


@pytest.mark.parametrize(
    "bad",
    [
        comparison("bad", production_us=2**63),
        comparison("bad", ts_us=2**62),
        comparison("bad", production_status="teapot"),
    ],
    ids=["number", "time", "type"],
)
def test_a_batch_is_kept_whole_or_not_at_all(store: PostgresStore, database: str, bad: Record) -> None:
    store.write([comparison("first")])
    with pytest.raises(StoreError):
        store.write([comparison("a"), tally(eligible=1), bad, comparison("b")])
    store.write([comparison("last")])

    assert stored(database) == ["first", "last"]
    assert rows(database, "SELECT * FROM tallies") == []


@pytest.mark.fault("repeats")
def test_a_comparison_that_comes_twice_is_kept_once(store: PostgresStore, database: str) -> None:
    store.write(comparisons("a", 3))
    store.write([*comparisons("a", 4), tally(eligible=4)])

    assert stored(database) == ["a-0", "a-1", "a-2", "a-3"]
    assert len(rows(database, "SELECT * FROM tallies")) == 1


def test_days_are_partitions_and_old_ones_are_dropped(
    store: PostgresStore, database: str, clock: Clock
) -> None:
    for days in (0, 29, 31):
        clock.now = NOW + days * DAY
        store.write([comparison(f"day-{days}", ts_us=int(clock.now * 1e6))])
    store.write([comparison("straggler", ts_us=int(NOW * 1e6))])

    assert stored(database) == ["day-29", "day-31", "straggler"]
    clock.now += DAY
    store.write([comparison("next", ts_us=int(clock.now * 1e6))])
    assert stored(database) == ["day-29", "day-31", "next"]
    assert partitions(database) == ["comparisons_20231213", "comparisons_20231215", "comparisons_20231216"]


def test_a_partition_that_is_being_read_is_dropped_later(
    store: PostgresStore, database: str, clock: Clock
) -> None:
    store.write([comparison("old")])
    with psycopg.connect(database) as reading:
        reading.execute("SELECT * FROM shadow_mw.comparisons")
        clock.now += 40 * DAY
        store.write([comparison("new", ts_us=int(clock.now * 1e6))])
        assert stored(database) == ["new", "old"]
    clock.now += DAY
    store.write([comparison("newer", ts_us=int(clock.now * 1e6))])
    assert stored(database) == ["new", "newer"]


def test_many_workers_may_begin_at_once(database: str, start_child: Callable[..., Any]) -> None:
    children = [start_child("postgres", database, f"w{number}", 20) for number in range(4)]
    said = [child.communicate()[0].splitlines() for child in children]

    assert [len(lines) for lines in said] == [20] * 4
    assert len(stored(database)) == 4 * sum(batch % 17 + 1 for batch in range(20))


def test_a_killed_worker_loses_at_most_its_batch_in_flight(
    database: str, start_child: Callable[..., subprocess.Popen[str]]
) -> None:
    child = start_child("postgres", database, "w", 100_000)
    assert child.stdout is not None
    kept = [child.stdout.readline().split() for _ in range(40)]
    child.send_signal(signal.SIGKILL)
    kept += [line.split() for line in child.communicate()[0].splitlines()]

    counts = rows(
        database, "SELECT split_part(record_id, '-', 1) AS batch, count(*) AS n FROM comparisons GROUP BY 1"
    )
    found = {row["batch"]: row["n"] for row in counts}
    assert all(found.pop(batch) == int(size) for batch, size in kept)
    assert len(found) <= 1
    assert all(size == int(batch.split(".")[1]) % 17 + 1 for batch, size in found.items())


@pytest.mark.fault("store-away")
def test_the_server_may_go_and_come_back(store: PostgresStore, database: str, cluster: Postgres) -> None:
    store.write([comparison("before")])
    cluster.stop()
    try:
        with pytest.raises(StoreError, match="cannot be written") as caught:
            store.write([comparison("lost")])
    finally:
        cluster.start()
    store.write([comparison("after")])

    assert "s3cr" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert stored(database) == ["after", "before"]


def test_a_restart_between_two_batches_costs_none(
    store: PostgresStore, database: str, cluster: Postgres
) -> None:
    store.write([comparison("before")])
    cluster.stop()
    cluster.start()
    store.write([comparison("after")])

    assert stored(database) == ["after", "before"]


def test_a_forked_child_leaves_the_connection_alone(store: PostgresStore, database: str) -> None:
    store.write([comparison("parent")])
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            store.write([comparison("child")])
            store.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    before = session(database)
    store.write([comparison("parent again")])

    assert stored(database) == ["child", "parent", "parent again"]
    assert session(database) == before, "the connection is still the same one"


def session(url: str) -> list[dict[str, Any]]:
    """The writer's sessions, by the pids of the server's processes."""
    sql = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'shadow-mw' AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 10
    while len(found := rows(url, sql)) != 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_tables_of_an_older_version_get_the_new_columns(store: PostgresStore, database: str) -> None:
    store.write([comparison("old")])
    store.close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE shadow_mw.comparisons DROP COLUMN items, DROP COLUMN production_score"
        )
    store.write([comparison("new", items=3, production_score=0.5)])

    found = rows(
        database, "SELECT record_id, items, production_score FROM comparisons ORDER BY record_id DESC"
    )
    assert [tuple(row.values()) for row in found] == [("old", 0, None), ("new", 3, 0.5)]


def test_tables_of_another_format_are_not_touched(store: PostgresStore, database: str) -> None:
    store.write([comparison("a")])
    store.close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE shadow_mw.format SET version = 2")
    with pytest.raises(StoreError, match="format 2, and this shadow-mw knows only 1: upgrade shadow-mw"):
        store.write([comparison("b")])


def test_a_reader_says_what_is_wrong(store: PostgresStore, database: str, cluster: Postgres) -> None:
    with pytest.raises(StoreError, match=r"there is no store at .* yet: mirror some traffic first"):
        open_reader(database)
    with pytest.raises(StoreError, match='database "absent" does not exist') as caught:
        open_reader(cluster.url("absent"))
    assert "s3cr" not in str(caught.value)
    with pytest.raises(StoreError, match=r"password authentication failed") as caught:
        open_reader(database.replace("s3cr%40t", "wr%40ng"))
    assert "ng@" not in str(caught.value)
    store.write([comparison("a")])
    with PostgresReader(database) as reader:
        with pytest.raises(StoreError, match='column "colour" does not exist'):
            reader.rows("SELECT colour FROM comparisons")
        with pytest.raises(StoreError, match="read-only transaction"):
            reader.rows("DELETE FROM comparisons")
        sql = "SELECT '?%' AS mark, record_id FROM comparisons WHERE record_id = ? AND mod(ts_us, 1) % 2 = ?"
        assert reader.rows(sql, ["a", 0]) == [{"mark": "?%", "record_id": "a"}]


def test_a_password_is_never_shown(store: PostgresStore, database: str) -> None:
    assert "s3cr" not in repr(store)
    store.write([comparison("a")])
    with PostgresReader(database) as reader:
        assert "s3cr" not in repr(reader)
