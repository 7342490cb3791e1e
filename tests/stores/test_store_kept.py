"""Which records are in a folder already: the same answer as a reader's, for what is read once."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from store_records import comparison, comparisons, files, tally
from store_servers import Postgres

from shadow_mw.assembly.kept import make_kept
from shadow_mw.exceptions import StoreError, StoreNotFound
from shadow_mw.questions.repeats import known_records
from shadow_mw.settings import load_settings
from shadow_mw.stores.clickhouse import ClickHouseStore
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.journal import Journal, write_journal
from shadow_mw.stores.kept import KeptRecords, _Followed
from shadow_mw.stores.layout import Layout
from shadow_mw.stores.postgres import PostgresStore
from shadow_mw.stores.reader import open_reader

TS_US = comparison().ts_us
DAY_SECONDS = 86_400


def asked(*names: str, ts_us: int = TS_US) -> list[tuple[str, int]]:
    return [(name, ts_us) for name in names]


def test_what_is_written_is_known_and_nothing_else(make_store, folder: Path) -> None:
    store, kept = make_store(), KeptRecords(folder)
    store.write([*comparisons("a", 2), tally(eligible=2)])
    assert kept.known(asked("a-0", "a-1", "a-2", "")) == {"a-0", "a-1"}
    assert kept.known(()) == frozenset()


def test_a_segment_that_grows_is_read_on_from_where_it_was(
    make_store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    decode = _Followed._decode
    monkeypatch.setattr(_Followed, "_decode", lambda _, line: seen.append(line) or decode(line))
    store, kept = make_store(), KeptRecords(folder)
    for batch in range(5):
        store.write(comparisons(f"b{batch}", 3))
        assert kept.known(asked("b0-0", f"b{batch}-2", "b5-0")) == {"b0-0", f"b{batch}-2"}
    assert len(seen) == len(set(seen)) == 15


def test_other_processes_and_compacted_files_count_too(make_store, folder: Path) -> None:
    kept = KeptRecords(folder)
    make_store().write(comparisons("other", 1))
    mine = make_store()
    mine.write(comparisons("mine", 1))
    names = asked("other-0", "mine-0", "none-0")
    assert kept.known(names) == {"other-0", "mine-0"}
    mine.close()
    compact(folder)
    assert len(files(folder, "cold/**/*.parquet")) == 1
    assert kept.known(names) == {"other-0", "mine-0"}
    assert len(kept._followed) == 1, "what is compacted is held no longer"


def test_an_interrupted_compaction_changes_nothing(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    [segment] = files(folder, "hot/*")
    lines = (folder / segment).read_bytes()
    compact(folder)
    [part] = files(folder, "cold/**/*.parquet")
    (folder / segment).write_bytes(lines)
    write_journal(Layout(folder), Journal(sources=(segment,), targets=(part,)))
    kept = KeptRecords(folder)
    assert kept.known(asked("a-0")) == {"a-0"}
    assert kept._followed == {}
    write_journal(Layout(folder), Journal(sources=(segment,), targets=(part, f"{part}.missing.parquet")))
    assert kept.known(asked("a-0")) == {"a-0"}
    assert len(kept._followed) == 1


def test_a_torn_line_counts_once_it_is_whole(make_store, folder: Path) -> None:
    make_store().write(comparisons("a", 2))
    [segment] = (folder / "hot").iterdir()
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-5])
    kept = KeptRecords(folder)
    assert kept.known(asked("a-0", "a-1")) == {"a-0"}
    segment.write_bytes(whole + b"no json\n")
    assert kept.known(asked("a-0", "a-1")) == {"a-0", "a-1"}


def test_a_batch_that_was_taken_back_is_not_known(make_store, folder: Path) -> None:
    make_store().write(comparisons("a", 2))
    [segment] = (folder / "hot").iterdir()
    kept = KeptRecords(folder)
    assert kept.known(asked("a-1")) == {"a-1"}
    os.truncate(segment, segment.read_bytes().index(b"\n") + 1)
    assert kept.known(asked("a-0", "a-1")) == {"a-0"}


def test_days_before_the_requests_are_not_looked_at(make_store, folder: Path) -> None:
    now = TS_US / 1e6
    clock = [now - 3 * DAY_SECONDS]
    store, kept = make_store(clock=lambda: clock[0], retention_days=10_000), KeptRecords(folder)
    for days in (-3, -1, 0, 2):
        clock[0] = now + days * DAY_SECONDS
        store.write([comparison(f"d{days}")])
    assert kept.known(asked("d-3", "d-1", "d0", "d2")) == {"d-1", "d0", "d2"}
    store.close()
    compact(folder)
    assert kept.known(asked("d-3", "d-1", "d0", "d2")) == {"d-1", "d0", "d2"}
    assert kept.known(asked("d-3", ts_us=TS_US - 2 * DAY_SECONDS * 10**6)) <= {"d-3"}


def test_the_answer_is_a_readers(make_store, folder: Path) -> None:
    store, kept = make_store(), KeptRecords(folder)
    wanted = asked(*(f"b{batch}-{number}" for batch in range(8) for number in range(4)))
    for batch in range(6):
        store.write(comparisons(f"b{batch}", 3))
        if batch == 3:
            store.close()
            compact(folder)
        with open_reader(folder) as reader:
            assert kept.known(wanted) == known_records(reader, wanted)


def test_without_a_store_that_is_said(folder: Path) -> None:
    with pytest.raises(StoreNotFound):
        KeptRecords(folder).known(asked("a"))


def test_files_that_are_no_parquet_are_an_error(make_store, folder: Path) -> None:
    store = make_store()
    store.write([comparison(ts_us=int(time.time() * 1e6))])
    store.close()
    compact(folder)
    [part] = files(folder, "cold/**/*.parquet")
    (folder / part).write_bytes(b"no parquet")
    with pytest.raises(StoreError):
        KeptRecords(folder).known(asked("a"))


def test_a_server_tells_it_too_and_again_after_it_was_away(cluster: Postgres, database: str) -> None:
    kept = make_kept(load_settings(store=database))
    assert kept.known(asked("a-0")) == frozenset(), "there is no store yet"
    store = PostgresStore(database, retention_days=30, clock=lambda: TS_US / 1e6)
    store.write(comparisons("a", 2))
    assert kept.known(asked("a-0", "a-1", "a-2")) == {"a-0", "a-1"}
    cluster.stop()
    try:
        with pytest.raises(StoreError):
            kept.known(asked("a-0"))
    finally:
        cluster.start()
    assert kept.known(asked("a-0", "b-0")) == {"a-0"}
    store.close()
    kept.close()


def test_clickhouse_tells_it_too(clickhouse: Any) -> None:
    url = clickhouse.new_database()
    kept = make_kept(load_settings(store=url))
    assert kept.known(asked("a-0")) == frozenset()
    store = ClickHouseStore(url, retention_days=10_000)
    store.write(comparisons("a", 2))
    assert kept.known(asked("a-0", "a-2")) == {"a-0"}
    store.close()
    kept.close()


def test_without_a_store_nothing_is_known() -> None:
    assert make_kept(load_settings(store="none")).known(asked("a-0")) == frozenset()
