"""The doctor over stores that were harmed as processes and people harm them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from store_records import comparison, comparisons, files, ids

from shadow_mw.cli import main
from shadow_mw.exceptions import StoreError
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.doctor import examine
from shadow_mw.stores.layout import Layout
from shadow_mw.stores.locks import locked
from shadow_mw.stores.postgres import PostgresStore


def look(folder: Path, **how: object) -> list[str]:
    """What is not all right."""
    found = list(examine(folder, **{"max_bytes": 2**20, **how}))
    return [str(health) for health in found if health.state != "ok"]


def test_a_store_in_use_is_well(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 3))
    store.close()
    compact(folder)
    store.write(comparisons("b", 3))

    assert look(folder) == []
    assert look(folder, repair=True) == []
    assert ids(folder) == ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2"]


def test_a_torn_line_is_named_and_cut_off_by_repair_alone(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 3))
    store.close()
    (segment,) = (folder / "hot").iterdir()
    whole = segment.read_bytes()
    segment.write_bytes(whole + whole[:100])

    (found,) = look(folder)
    assert "is torn" in found
    assert "--repair" in found
    assert segment.read_bytes() == whole + whole[:100]
    (found,) = look(folder, repair=True)
    assert found.startswith("mended")
    assert segment.read_bytes() == whole
    assert look(folder) == []


def test_the_segment_of_a_living_process_is_left_alone(make_store, folder: Path) -> None:
    make_store().write(comparisons("a", 1))
    (segment,) = (folder / "hot").iterdir()
    with segment.open("ab") as file:
        file.write(b"half a li")

    assert look(folder, repair=True) == []
    assert segment.read_bytes().endswith(b"half a li")


def test_damaged_lines_and_files_are_harms(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    compact(folder)
    store.write(comparisons("b", 1))
    store.close()
    (part,) = folder.glob("cold/*/*.parquet")
    part.write_bytes(b"not Parquet")
    (segment,) = (folder / "hot").iterdir()
    segment.write_bytes(b"\0" * 50 + b"\n" + segment.read_bytes())

    found = look(folder, repair=True)
    assert len(found) == 2
    assert all(line.startswith("harm") for line in found)
    assert "1 lines of" in found[0]
    assert part.name in found[1]


@pytest.mark.parametrize("step", ["journalled", "renamed", "unlinked", "drafted"])
def test_what_a_killed_compaction_left_is_mended(make_store, folder: Path, start_child, step: str) -> None:
    store = make_store()
    store.write([comparison("a"), comparison("b")])
    store.close()
    child = start_child("compact_until", folder, step, 1)
    assert child.wait() == -signal.SIGKILL

    assert [line for line in look(folder) if line.startswith("harm")] == []
    assert look(folder) != []
    mended = look(folder, repair=True)
    assert mended
    assert all(line.startswith("mended") for line in mended)
    assert look(folder) == []
    assert ids(folder) == ["a", "b"]
    assert not [name for name in files(folder) if name.startswith(("tmp", "journal"))]


def test_drafts_of_a_compaction_under_way_are_left_alone(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    layout = Layout(folder)
    layout.tmp.mkdir()
    (layout.tmp / "part-x.parquet").touch()
    with locked(layout.compact_lock):
        assert look(folder, repair=True) == ["note    a compaction is under way: look again when it is done"]
    assert (layout.tmp / "part-x.parquet").exists()


def test_places_and_clocks_are_looked_at(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    folder.chmod(0o755)
    (folder / "gate.lock").unlink()
    (segment,) = (folder / "hot").iterdir()
    segment.rename(segment.with_name("2190-01-01-host-1-1-1.jsonl"))

    found = "\n".join(look(folder, max_bytes=2**60))
    for words in (
        "other users may read",
        "gate.lock is missing",
        "records of 2190-01-01",
        "less than the store",
    ):
        assert words in found
    assert "harm" not in found


def test_a_damaged_journal_is_a_harm_that_is_not_mended(make_store, folder: Path) -> None:
    make_store().write(comparisons("a", 1))
    (folder / "journal.json").write_bytes(b"{")

    (found,) = look(folder, repair=True)
    assert found.startswith("harm")
    assert "journal.json is damaged" in found


def test_the_command_tells_and_exits_by_what_it_finds(
    make_store, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--store", str(folder)]) == 4
    assert "there is no store" in capsys.readouterr().err
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    assert main(["doctor", "--store", str(folder)]) == 0
    assert f"the store at {folder} has a format" in capsys.readouterr().out
    compact(folder)
    (part,) = folder.glob("cold/*/*.parquet")
    os.truncate(part, 10)
    assert main(["doctor", "--repair", "--store", str(folder)]) == 1
    with pytest.raises(StoreError, match="there is no store"):
        list(examine(folder / "absent", max_bytes=1))


def test_the_command_looks_at_a_server(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--store", database]) == 4
    store = PostgresStore(database, retention_days=30)
    store.write(comparisons("a", 1))
    store.close()
    assert main(["doctor", "--store", database]) == 0
    assert "1 daily partitions" in capsys.readouterr().out
