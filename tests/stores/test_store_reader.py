from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from store_records import comparison, comparisons, files, ids, tally

from shadow_mw.exceptions import StoreError
from shadow_mw.records import Comparison, Tally
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.engine import connect
from shadow_mw.stores.reader import open_reader


def test_both_tables_have_every_field_of_their_record(make_store, folder: Path) -> None:
    make_store().write([comparison(), tally(eligible=1)])
    with open_reader(folder) as reader:
        (row,) = reader.rows("SELECT * FROM comparisons")
        (counts,) = reader.rows("SELECT * FROM tallies")
        types = {row["column_name"]: row["column_type"] for row in reader.rows("DESCRIBE comparisons")}

    assert tuple(row) == Comparison.__struct_fields__
    assert tuple(counts) == Tally.__struct_fields__
    assert counts["counts"] == {"eligible": 1}
    assert (types["ts_us"], types["delta"], types["truncated"]) == ("BIGINT", "DOUBLE", "BOOLEAN")
    assert (types["diff_paths"], types["segments"]) == ("VARCHAR[]", "MAP(VARCHAR, VARCHAR)")


def test_a_query_takes_parameters(make_store, folder: Path) -> None:
    make_store().write([comparison("o'clock", segments={"country": "de"}), comparison("other")])
    with open_reader(folder) as reader:
        sql = "SELECT segments['country'] AS country FROM comparisons WHERE record_id = ?"
        assert reader.rows(sql, ["o'clock"]) == [{"country": "de"}]


def test_a_store_without_records_has_empty_tables(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    for path in (folder / "hot").iterdir():
        path.unlink()

    with open_reader(folder) as reader:
        assert reader.rows("SELECT count(*) AS n FROM comparisons") == [{"n": 0}]
        assert reader.rows("SELECT * FROM tallies") == []


def test_a_torn_last_line_is_skipped(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 3))
    store.close()
    (segment,) = (folder / "hot").iterdir()
    whole = segment.read_bytes()
    with segment.open("ab") as file:
        file.write(whole[:100])

    assert ids(folder) == ["a-0", "a-1", "a-2"]
    assert compact(folder).comparisons == 3
    assert ids(folder) == ["a-0", "a-1", "a-2"]


def test_files_of_an_older_version_lack_columns_and_take_their_defaults(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("new", 1, queue="process:", delta=0.5))
    store.close()
    compact(folder)
    (part,) = folder.glob("cold/*/*.parquet")
    old_line = msgspec.to_builtins(comparison("old-line"))
    old_part = part.with_name("part-old.parquet")
    with connect("", folder, threads=1) as database:
        columns = "* EXCLUDE (queue, delta, segments) REPLACE ('old-part' AS record_id), 1 AS of_the_future"
        database.execute(f"COPY (SELECT {columns} FROM '{part}') TO '{old_part}'")
    for name in ("queue", "delta", "segments"):
        del old_line[name]
    (folder / "hot" / "2026-11-01-host-1-1-1.jsonl").write_bytes(
        msgspec.json.encode({**old_line, "kind": "comparison", "of_the_future": 1}) + b"\n"
    )

    def stored() -> list[tuple[object, ...]]:
        with open_reader(folder) as reader:
            rows = reader.rows("SELECT record_id, queue, delta, segments FROM comparisons ORDER BY ALL")
            return [tuple(row.values()) for row in rows]

    expected = [("new-0", "process:", 0.5, {}), ("old-line", "", None, None), ("old-part", "", None, None)]
    assert stored() == expected
    part.unlink()
    assert stored() == expected[1:], "no file has the newer columns any more"


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda path: None, r"there is no store at .*: give the folder that SHADOW_STORE names"),
        (Path.mkdir, r"is empty, there is nothing to read yet: mirror some traffic first"),
        (Path.touch, r"is a file and no store: name a folder"),
        (lambda path: (path / "other").mkdir(parents=True), r"is no store, it holds other files"),
    ],
    ids=["missing", "empty", "file", "foreign"],
)
def test_what_is_no_store_is_named_in_one_sentence(folder: Path, prepare, sentence: str) -> None:
    prepare(folder)
    for use in (open_reader, compact):
        with pytest.raises(StoreError, match=sentence) as caught:
            use(folder)
        assert "\n" not in str(caught.value)


def test_a_store_of_another_version_is_not_guessed_at(make_store, folder: Path) -> None:
    make_store().write(comparisons("a", 1))
    (folder / "FORMAT").write_bytes(b"\xff2\n")
    with pytest.raises(StoreError, match="knows only '1': upgrade shadow-mw"):
        open_reader(folder)


def test_a_wrong_query_is_a_store_error(make_store, folder: Path) -> None:
    make_store().write(comparisons("a", 1))
    with (
        open_reader(folder) as reader,
        pytest.raises(StoreError, match=r"could not be queried: .*colour") as caught,
    ):
        reader.rows("SELECT colour FROM comparisons")
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_named(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    compact(folder)
    (part,) = folder.glob("cold/*/*.parquet")
    part.write_bytes(b"not a Parquet file at all")
    with pytest.raises(StoreError, match=part.name):
        open_reader(folder)


def test_a_file_that_vanishes_after_the_snapshot_is_no_error(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 2))
    store.close()
    with open_reader(folder) as reader:
        compact(folder)
        assert len(reader.rows("SELECT record_id FROM comparisons")) == 2
    with open_reader(folder) as reader:
        assert len(reader.rows("SELECT record_id FROM comparisons")) == 2
        for part in folder.glob("cold/*/*.parquet"):
            part.unlink()
        assert reader.rows("SELECT record_id FROM comparisons") == []


def test_segments_too_large_to_be_held_are_read_in_place(
    make_store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shadow_mw.stores.reader._HOT_BYTES", 0)
    store = make_store()
    store.write(comparisons("a", 2))
    with open_reader(folder) as reader:
        store.write([*comparisons("b", 1), tally(eligible=1)])
        assert reader.rows("SELECT count(*) AS n FROM comparisons") == [{"n": 3}]
        assert reader.rows("SELECT counts FROM tallies") == [{"counts": {"eligible": 1}}]


@pytest.mark.parametrize("name", ["it's [a] *glob*?", "säule 😀", 'quo"te'])
def test_a_folder_may_have_any_name(tmp_path: Path, make_store, folder: Path, name: str) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    moved = folder.rename(tmp_path / name)
    assert ids(moved) == ["a-0"]
    compact(moved)
    assert ids(moved) == ["a-0"]


@pytest.mark.parametrize("action", ["read", "compact"])
def test_without_duckdb_the_extra_is_named(make_store, folder: Path, start_child, action: str) -> None:
    make_store().write(comparisons("a", 1))
    said = start_child("without", "duckdb", folder, action).communicate()[0]

    assert said.rstrip().endswith("needs an extra that is not installed: pip install 'shadow-mw[report]'")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_reader_needs_read_permission_alone_and_leaves_nothing(
    make_store, folder: Path, start_child
) -> None:
    make_store().write(comparisons("a", 1))
    folder.parent.chmod(0o755)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = files(folder)

    assert start_child("read_as_another_user", folder).communicate()[0] == "a-0\n"
    assert files(folder) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("closed", [".", "hot", "FORMAT", "publish.lock", "cold"])
def test_a_store_of_another_user_says_what_to_do(make_store, folder: Path, start_child, closed: str) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    compact(folder)
    folder.parent.chmod(0o755)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    (folder / closed).chmod(0o700 if (folder / closed).is_dir() else 0o600)

    said = start_child("read_as_another_user", folder).communicate()[0]
    assert "may not be read by this user: give read permission on store" in said
