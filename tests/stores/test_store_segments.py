from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from store_records import comparisons, files, ids, tally

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.segments import SegmentStore

#: Python 3.12 and later warn of any fork of a process that has threads.
FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
DAY_SECONDS = 86_400
NOON = 1_800_000_000 // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS // 2


def test_nothing_is_touched_before_the_first_record(make_store, folder: Path) -> None:
    store = make_store()
    store.write([])
    store.close()

    assert not folder.exists()


def test_records_are_private(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 3))
    store.write([tally(eligible=3)])
    store.close()
    compact(folder)
    store.write(comparisons("b", 3))

    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert any(path.suffix == ".parquet" for path in modes)


def test_records_stay_out_of_a_repository(make_store, folder: Path) -> None:
    make_store().write(comparisons("a", 1))

    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_full_segment_is_followed_by_another(make_store, folder: Path) -> None:
    store = make_store(segment_bytes=5_000)
    for batch in range(10):
        store.write(comparisons(f"b{batch}", 2))

    sizes = [path.stat().st_size for path in (folder / "hot").iterdir()]
    assert len(sizes) > 2
    assert max(sizes) <= 5_000
    assert len(ids(folder)) == 20


def test_midnight_in_utc_starts_a_segment(make_store, folder: Path) -> None:
    now = [NOON]
    store = make_store(clock=lambda: now[0])
    for now[0] in (NOON, NOON + DAY_SECONDS // 2 - 1, NOON + DAY_SECONDS // 2, NOON + DAY_SECONDS):
        store.write(comparisons(str(now[0]), 1))

    days = [name[:14] for name in files(folder, "hot/*")]
    assert days == ["hot/2027-01-15", "hot/2027-01-16"]


def test_a_closed_store_opens_another_segment(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    store.close()
    store.write(comparisons("b", 1))

    assert len(files(folder, "hot/*")) == 2
    assert ids(folder) == ["a-0", "b-0"]


def test_threads_may_share_a_store(make_store, folder: Path) -> None:
    store = make_store(segment_bytes=20_000)
    threads = [
        threading.Thread(
            target=lambda name=name: [store.write(comparisons(f"{name}{i}", 3)) for i in range(20)]
        )
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = ids(folder)
    assert len(found) == len(set(found)) == 240


def test_a_store_that_was_deleted_under_the_writer_is_made_anew(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("lost", 1))
    folder.rename(folder.with_name("moved"))
    store.write(comparisons("kept", 1))

    assert ids(folder) == ["kept-0"]


@FORKS
def test_a_forked_child_writes_to_a_segment_of_its_own(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("before", 2))
    child = os.fork()
    if not child:
        store.write(comparisons("child", 2))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.write(comparisons("after", 2))

    assert len(files(folder, "hot/*")) == 2
    assert ids(folder) == [f"{name}-{i}" for name in ("after", "before", "child") for i in (0, 1)]


@FORKS
def test_a_forked_child_does_not_keep_its_parents_segment_alive(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("parent", 2))
    gate_out, gate_in = os.pipe()
    child = os.fork()
    if not child:
        os.close(gate_in)
        os.read(gate_out, 1)  # lives until the parent closes its end
        os._exit(0)
    try:
        assert compact(folder).segments == 0, "the parent lives and writes"
        store.close()
        assert compact(folder).segments == 1, "the child that lives on holds no lock of the parent's"
    finally:
        os.close(gate_in)
        os.close(gate_out)
        os.waitpid(child, 0)


@FORKS
def test_a_fork_while_another_thread_writes_leaves_the_child_able_to_write(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("parent", 1))
    with store._lock:  # as another thread would in the middle of a write
        child = os.fork()
        if not child:
            store.write(comparisons("child", 1))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    assert ids(folder) == ["child-0", "parent-0"]


def test_writing_loads_neither_duckdb_nor_anything_heavy(start_child, folder: Path) -> None:
    child = start_child("forbid_modules", folder, "_duckdb", "pandas", "numpy", "pyarrow", "rich", "sklearn")

    assert child.communicate()[0] == "\n"
    assert child.returncode == 0


def test_a_folder_with_other_contents_is_refused(make_store, folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(StoreError, match=r"store is no store, it holds other files: name a folder"):
        make_store().write(comparisons("a", 1))

    assert files(folder) == ["thesis.txt"]


@pytest.mark.parametrize("name", [".keep", "lost+found"])
def test_a_folder_that_is_as_good_as_empty_is_taken(make_store, folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    make_store().write(comparisons("a", 1))

    assert ids(folder) == ["a-0"]


def test_a_store_of_another_version_is_refused(make_store, folder: Path) -> None:
    folder.mkdir()
    (folder / "FORMAT").write_text("99\n")
    with pytest.raises(StoreError, match=r"has format '99'.*knows only '1': upgrade shadow-mw"):
        make_store().write(comparisons("a", 1))


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_file_in_place_of_the_folder_is_refused_until_it_is_gone(tmp_path: Path, below: str) -> None:
    path = tmp_path / "store"
    path.write_text("a file")
    store = SegmentStore(path / below, max_bytes=2**30, retention_days=30)
    with pytest.raises(StoreError, match=r"cannot write to the store at .*store"):
        store.write(comparisons("a", 1))
    path.unlink()
    store.write(comparisons("b", 1))
    store.close()

    assert ids(path / below) == ["b-0"]


def test_without_locks_of_the_platform_it_still_works(start_child, folder: Path) -> None:
    child = start_child("without_locks", folder)
    counts = child.communicate()[0].splitlines()

    assert child.returncode == 0
    assert counts[:2] == ["0", "1"], "today's segment may have an owner, that of two days ago has none"
    assert len(counts[2].split()) == 1, "what was older than the limit is gone"
