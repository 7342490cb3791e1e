"""The contract of all engines: the same records, the same answers."""

from __future__ import annotations

from typing import Any

import pytest
from all_questions import everything
from question_records import START_US, made_records

from shadow_mw.assembly.stores import open_reader
from shadow_mw.stores.clickhouse import ClickHouseStore
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.postgres import PostgresStore
from shadow_mw.stores.segments import SegmentStore

COUNT = 4000


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The answers of an embedded store, of which a half is compacted and a half is not."""
    folder = tmp_path_factory.mktemp("embedded") / "store"
    store = SegmentStore(folder, max_bytes=2**30, retention_days=30)
    records = list(made_records(COUNT))
    store.write(records[: COUNT // 2])
    store.close()
    compact(folder)
    store.write(records[COUNT // 2 :])
    store.close()
    reader = open_reader(folder)
    try:
        return everything(reader)
    finally:
        reader.close()


def the_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for question, answer in expected.items():
        assert found[question] == answer, question


def test_the_answers_are_no_empty_ones(embedded: dict[str, Any]) -> None:
    empty = {question for question, answer in embedded.items() if not answer and question.endswith(" all")}
    assert empty == set()
    assert [answer for question, answer in embedded.items() if question == "verdicts nobody"] == [[]]
    assert any(one["sampling"] > 1 for one in embedded["segments all"])


def test_postgresql_gives_the_same_answers(database: str, embedded: dict[str, Any]) -> None:
    store = PostgresStore(database, retention_days=30, clock=lambda: START_US / 1e6)
    records = list(made_records(COUNT))
    for start in range(0, len(records), 700):
        store.write(records[start : start + 700])
    store.close()
    reader = open_reader(database)
    try:
        the_same(everything(reader), embedded)
    finally:
        reader.close()


def test_clickhouse_gives_the_same_answers(clickhouse: Any, embedded: dict[str, Any]) -> None:
    url = clickhouse.new_database()
    store = ClickHouseStore(url, retention_days=10_000)
    records = list(made_records(COUNT))
    for start in range(0, len(records), 1500):
        store.write(records[start : start + 1500])
    store.close()
    reader = open_reader(url)
    try:
        the_same(everything(reader), embedded)
    finally:
        reader.close()
