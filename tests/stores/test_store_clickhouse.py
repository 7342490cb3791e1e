"""The ClickHouse store: its client over HTTP, and ClickHouse's own engine behind a door of ours."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from store_records import comparison, comparisons, tally

from shadow_mw.assembly.stores import open_reader
from shadow_mw.cli import main
from shadow_mw.exceptions import StoreError
from shadow_mw.records import Pulse, Truth
from shadow_mw.stores.clickhouse import ClickHouseStore

YEARS = 40 * 365


@pytest.fixture
def url(clickhouse: Any) -> str:
    return str(clickhouse.new_database())


@pytest.fixture
def store(url: str) -> Iterator[ClickHouseStore]:
    store = ClickHouseStore(url, retention_days=1e9)
    yield store
    store.close()


def rows(url: str, sql: str) -> list[dict[str, Any]]:
    reader = open_reader(url)
    try:
        return reader.rows(sql)
    finally:
        reader.close()


def stored(url: str) -> list[str]:
    return [row["record_id"] for row in rows(url, "SELECT record_id FROM comparisons ORDER BY record_id")]


def test_every_kind_of_record_is_kept_and_read_back(store: ClickHouseStore, url: str) -> None:
    truth = Truth(ts_us=1_700_000_000_000_000, request_id="q", truth="1.5", value=1.5)
    pulse = Pulse(ts_us=1_700_000_000_000_000, shadow="forest", circuit="half-open", limit=8)
    one = comparison("a", diff_paths=("$.x", "$['y, z']"), segments={"land": "d'e"}, delta=0.5)
    store.write([one, tally(eligible=3, agree=2), truth, pulse])

    (row,) = rows(url, "SELECT * FROM comparisons")
    assert (row["record_id"], row["delta"], row["truncated"], row["sample_rate"]) == ("a", 0.5, False, 1.0)
    assert (row["diff_paths"], row["segments"]) == (["$.x", "$['y, z']"], {"land": "d'e"})
    assert row["production_label"] is None
    assert rows(url, "SELECT counts FROM tallies") == [{"counts": {"eligible": 3, "agree": 2}}]
    assert rows(url, "SELECT value FROM truths") == [{"value": 1.5}]
    assert rows(url, 'SELECT circuit, "limit" FROM pulses') == [{"circuit": "half-open", "limit": 8}]


def test_odd_values_are_replaced(store: ClickHouseStore, url: str) -> None:
    store.write([comparison("a\ud800b", delta=math.nan, sample_rate=math.inf, features="'; \\ ?%s \n😀")])
    found = rows(url, "SELECT record_id, delta, sample_rate, features FROM comparisons")
    assert [tuple(row.values()) for row in found] == [("a\ufffdb", None, 1.0, "'; \\ ?%s \n😀")]


def test_a_value_that_does_not_fit_costs_its_batch(store: ClickHouseStore, url: str) -> None:
    store.write([comparison("first")])
    with pytest.raises(StoreError, match="more than 64 bits"):
        store.write([comparison("a"), comparison("bad", production_us=2**63)])
    assert stored(url) == ["first"]


def test_an_insert_whose_answer_is_lost_is_kept_once(
    store: ClickHouseStore, url: str, clickhouse: Any
) -> None:
    store.write([comparison("first")])
    clickhouse.break_next_insert()
    store.write(comparisons("a", 3))

    assert stored(url) == ["a-0", "a-1", "a-2", "first"]


def test_what_is_too_old_goes_and_the_age_may_change(url: str) -> None:
    # Far enough ahead of any day on which this runs, and far enough back.
    old, new = comparison("old", ts_us=10**15), comparison("new", ts_us=25 * 10**14)
    store = ClickHouseStore(url, retention_days=YEARS)
    store.write([old, new])
    store.close()
    assert stored(url) == ["new", "old"]
    store = ClickHouseStore(url, retention_days=30)
    store.write([tally(eligible=1)])
    store.close()
    (table,) = rows(url, "SHOW CREATE TABLE comparisons")
    assert f"toIntervalSecond({30 * 86_400})" in table["statement"]

    deadline = time.monotonic() + 30
    while stored(url) != ["new"]:
        assert time.monotonic() < deadline
        rows(url, "OPTIMIZE TABLE comparisons FINAL")


def test_tables_of_an_older_version_get_the_new_columns(store: ClickHouseStore, url: str) -> None:
    store.write([comparison("old")])
    store.close()
    rows(url, "ALTER TABLE comparisons DROP COLUMN items, DROP COLUMN production_score")
    store.write([comparison("new", items=3, production_score=0.5)])

    found = rows(url, "SELECT record_id, items, production_score FROM comparisons ORDER BY record_id DESC")
    assert [tuple(row.values()) for row in found] == [("old", 0, None), ("new", 3, 0.5)]


def test_a_reader_says_what_is_wrong(store: ClickHouseStore, url: str) -> None:
    with pytest.raises(StoreError, match=r"there is no store at .* yet: mirror some traffic first") as caught:
        open_reader(url)
    assert "s3cr" not in str(caught.value)
    store.write([comparison("a")])
    with pytest.raises(StoreError, match="Unknown expression identifier `colour`"):
        rows(url, "SELECT colour FROM comparisons")
    assert "s3cr" not in repr(store)


def test_the_doctor_looks_at_it(store: ClickHouseStore, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    store.write([comparison("a")])
    assert main(["doctor", "--store", url]) == 0
    assert "1 parts" in capsys.readouterr().out
