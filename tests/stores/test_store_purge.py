"""`shadow-mw purge`: the records of a request are gone from every store, and nothing else is."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_records import comparison, comparisons, files, ids, tally

from shadow_mw.assembly.purging import count, purge
from shadow_mw.cli import main
from shadow_mw.exceptions import StoreError
from shadow_mw.records import Truth
from shadow_mw.stores.clickhouse import ClickHouseStore
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.doctor import examine
from shadow_mw.stores.kept import KeptRecords
from shadow_mw.stores.postgres import PostgresStore
from shadow_mw.stores.purging import purge as purge_folder
from shadow_mw.stores.reader import open_reader
from shadow_mw.wanted import Wanted

CANARY = "canary-7f3a"
TS_US = 1_700_000_000_000_000
JANE = Wanted(request_ids=("jane",))


def records(prefix: str = "a") -> list[Any]:
    """Two comparisons and a truth of `jane`'s, others of others', and the counts of all."""
    return [
        comparison(f"{prefix}1", request_id="jane", features=CANARY),
        comparison(f"{prefix}2", request_id="jane", shadow="other", features=CANARY),
        comparison(f"{prefix}3", request_id="janet", features="jane"),
        *comparisons(f"{prefix}-rest", 20, request_id="q"),
        Truth(ts_us=TS_US, request_id="jane", truth=CANARY),
        Truth(ts_us=TS_US, request_id="q", truth="cat"),
        tally(eligible=23),
    ]


def holds_canary(folder: Path) -> list[str]:
    return [
        path.name for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ]


def test_they_go_from_lines_and_compacted_files_and_all_else_stays(make_store: Any, folder: Path) -> None:
    store = make_store()
    store.write(records("a"))
    store.close()
    compact(folder)
    store.write(records("b"))
    store.close()
    found = [(one.comparisons, one.truths) for one in count(str(folder), JANE)]
    assert found == [(2, 1), (2, 1)]
    assert [(one.comparisons, one.truths) for one in purge(str(folder), JANE)] == found
    assert not any(one.startswith(("a1", "a2", "b1", "b2")) for one in ids(folder))
    assert len(ids(folder)) == 42
    with open_reader(folder) as reader:
        assert [row["truth"] for row in reader.rows("SELECT truth FROM truths")] == ["cat", "cat"]
        assert reader.rows("SELECT count(*) AS n FROM tallies") == [{"n": 2}]
    assert not [one for one in files(folder) if one.startswith("tmp") or one == "journal.json"]
    assert holds_canary(folder) == []
    assert [one for one in examine(folder, max_bytes=2**30) if one.state == "harm"] == []
    assert [(one.comparisons, one.truths) for one in purge(str(folder), JANE)] == [(0, 0), (0, 0)]


def test_a_file_of_nothing_else_goes_as_a_whole(make_store: Any, folder: Path) -> None:
    store = make_store()
    for _ in range(2):
        store.write([comparison("a1", request_id="jane", features=CANARY)])
        store.close()
        compact(folder)
    list(purge(str(folder), JANE))
    assert ids(folder) == []
    assert not [one for one in files(folder) if one.endswith((".parquet", ".jsonl"))]


def test_half_a_line_that_a_killed_process_left_goes_too(make_store: Any, folder: Path) -> None:
    store = make_store()
    store.write(records())
    store.close()
    [segment] = (folder / "hot").iterdir()
    segment.write_bytes(
        segment.read_bytes() + b'{"kind":"comparison","request_id":"jane","features":"canary-7f'
    )
    list(purge(str(folder), JANE))
    assert b"canary" not in b"".join(path.read_bytes() for path in (folder / "hot").iterdir())
    assert len(ids(folder)) == 21


@pytest.mark.fault("purge")
def test_beside_a_writer_and_a_reader_nothing_else_is_lost(make_store: Any, folder: Path) -> None:
    store = make_store()
    store.write(records())
    done = threading.Event()
    found: list[Any] = []

    def purging() -> None:
        try:
            found.extend(purge_folder(folder, JANE, patience_seconds=60.0))
        finally:
            done.set()

    thread = threading.Thread(target=purging)
    thread.start()
    written = 0
    while not done.is_set():
        store.write([comparison(f"w{written:06}", request_id="q")])
        written += 1
        with open_reader(folder) as reader:
            others = reader.rows("SELECT count(*) AS n FROM comparisons WHERE request_id <> 'jane'")
        assert others == [{"n": 21 + written}]
    thread.join()
    assert [(one.comparisons, one.truths, one.is_left) for one in found] == [(2, 1, False), (0, 0, False)]
    store.write([comparison("last", request_id="q")])
    assert len(ids(folder)) == 21 + written + 1
    assert holds_canary(folder) == []


def test_a_writer_that_is_silent_is_left_alone_and_that_is_said(
    make_store: Any, folder: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("shadow_mw.stores.purging.purge.__kwdefaults__", {"patience_seconds": 0.0})
    store = make_store()
    store.write(records())
    assert main(["purge", "--store", str(folder), "--request-id", "jane", "--yes"]) == 3
    assert (
        "2 comparisons and 1 truth left in JSON lines that a process still writes" in capsys.readouterr().err
    )
    assert len(ids(folder)) == 23, "nothing was lost"
    store.write([comparison("later", request_id="q")])
    assert main(["purge", "--store", str(folder), "--request-id", "jane", "--yes"]) == 0
    assert "Removed 2 comparisons and 1 truth from JSON lines." in capsys.readouterr().out
    assert "later" in ids(folder)
    assert len(ids(folder)) == 22


@pytest.mark.fault("purge")
def test_a_purge_that_was_killed_is_finished_or_undone_by_the_next(
    make_store: Any, folder: Path, monkeypatch: Any
) -> None:
    store = make_store()
    store.write(records())
    store.close()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shadow_mw.stores.compaction.settle", killed)
        with pytest.raises(KeyboardInterrupt):
            list(purge(str(folder), JANE))
    assert len(ids(folder)) == 21
    list(purge(str(folder), JANE))
    assert holds_canary(folder) == []
    assert len(ids(folder)) == 21


def test_who_follows_the_store_does_not_take_others_for_new(make_store: Any, folder: Path) -> None:
    store = make_store()
    store.write(records())
    store.close()
    kept = KeptRecords(folder)
    asked = [("a1", TS_US), ("a3", TS_US)]
    assert kept.known(asked) == {"a1", "a3"}
    list(purge(str(folder), JANE))
    assert kept.known(asked) == {"a3"}


def test_by_age(make_store: Any, folder: Path) -> None:
    store = make_store()
    store.write(
        [comparison("old", ts_us=TS_US - 1), comparison("new"), comparison("x", ts_us=0, request_id="j")]
    )
    store.close()
    list(purge(str(folder), Wanted(request_ids=("j",), before_us=1)))
    assert ids(folder) == ["new", "old"]
    compact(folder)
    list(purge(str(folder), Wanted(before_us=TS_US)))
    assert ids(folder) == ["new"]


@pytest.fixture
def url(request: Any) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("database"))
    return str(request.getfixturevalue("clickhouse").new_database())


STORES: dict[str, Callable[[str], Any]] = {
    "postgresql": lambda url: PostgresStore(url, retention_days=36_500),
    "clickhouse": lambda url: ClickHouseStore(url, retention_days=1e9),
}


@pytest.mark.parametrize("url", ["postgres", "clickhouse"], indirect=True)
def test_a_server_gives_them_up_too(url: str, capsys: Any) -> None:
    assert main(["purge", "--store", url, "--request-id", "jane", "--yes"]) == 4
    assert "there is no store" in capsys.readouterr().err
    store = STORES[url.partition(":")[0]](url)
    store.write(records())
    assert main(["purge", "--store", url, "--request-id", "jane", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("2 comparisons and 1 truth in ")
    words = ["purge", "--store", url, "--request-id", "jane", "--request-id", "nobody's%s", "--yes"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("Removed 2 comparisons and 1 truth from ")
    assert "s3cr" not in said
    store.write(records("b")[3:])
    with open_reader_of(url) as reader:
        assert reader.rows("SELECT count(*) AS n FROM comparisons") == [{"n": 41}]
        assert reader.rows("SELECT truth FROM truths WHERE request_id = 'jane'") != []
        assert reader.rows("SELECT count(*) AS n FROM tallies") == [{"n": 2}]
        assert reader.rows("SELECT count(*) AS n FROM comparisons WHERE request_id = 'jane'") == [{"n": 0}]
    store.close()


def open_reader_of(url: str) -> Any:
    from shadow_mw.assembly.stores import open_reader as open_any

    return open_any(url)


def test_it_asks_first_and_a_mistake_is_a_sentence(
    make_store: Any, folder: Path, capsys: Any, monkeypatch: Any
) -> None:
    words = ["purge", "--store", str(folder)]
    assert main([*words, "--request-id", "jane"]) == 4
    assert "there is no store" in capsys.readouterr().err
    assert main(words) == 1
    assert "give --request-id ID or --before WHEN" in capsys.readouterr().err
    assert main([*words, "--request-id", ""]) == 1
    assert "--request-id is empty" in capsys.readouterr().err
    store = make_store()
    store.write(records())
    store.close()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main([*words, "--request-id", "jane"]) == 1
    assert "add --yes" in capsys.readouterr().err
    assert main([*words, "--request-id", "nobody"]) == 0
    assert len(ids(folder)) == 23
    for answer, code in (("n", 1), ("y", 0)):
        terminal = io.StringIO(answer + "\n")
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        assert main([*words, "--request-id", "jane"]) == code
    assert len(ids(folder)) == 21


def test_a_damaged_part_is_named(make_store: Any, folder: Path) -> None:
    store = make_store()
    store.write(records())
    store.close()
    compact(folder)
    [part] = (folder / "cold").rglob("*.parquet")
    part.write_bytes(b"PAR1 nothing")
    with pytest.raises(StoreError, match=part.name):
        list(purge(str(folder), JANE))


def test_while_a_compaction_runs_it_waits(make_store: Any, folder: Path) -> None:
    store = make_store()
    store.write(records())
    store.close()
    begun, go_on = threading.Event(), threading.Event()

    def on_step(name: str) -> None:
        if name == "drafted":
            begun.set()
            assert go_on.wait(60)

    compacting = threading.Thread(target=compact, args=(folder,), kwargs={"on_step": on_step})
    compacting.start()
    assert begun.wait(60)
    purging = threading.Thread(target=lambda: list(purge(str(folder), JANE)))
    purging.start()
    time.sleep(0)
    go_on.set()
    compacting.join()
    purging.join()
    assert holds_canary(folder) == []
    assert len(ids(folder)) == 21
