from __future__ import annotations

import os
import time
from pathlib import Path

from store_records import comparisons, files, ids, tally

from shadow_mw.stores.compaction import compact
from shadow_mw.stores.layout import Layout
from shadow_mw.stores.retention import _files, _removed

DAY_SECONDS = 86_400
NOON = 1_800_000_000 // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS // 2


def total_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_oldest_records_go_first_and_the_cap_holds(make_store, folder: Path) -> None:
    store = make_store(max_bytes=100_000)
    for batch in range(200):
        store.write(comparisons(f"b{batch:03}", 2))
        assert total_bytes(folder) <= 100_000

    kept = ids(folder)
    assert kept[-1] == "b199-1"
    assert kept == sorted(f"b{batch:03}-{i}" for batch in range(200) for i in (0, 1))[-len(kept) :]
    assert 40 < len(kept) < 400


def test_the_cap_holds_over_compacted_records_too(make_store, folder: Path) -> None:
    now = [NOON]
    store = make_store(max_bytes=60_000, clock=lambda: now[0])
    for day in range(30):
        now[0] = NOON + day * DAY_SECONDS
        store.write(comparisons(f"d{day:02}", 4))
        store.write([tally(eligible=4)])
        compact(folder)
        assert total_bytes(folder) <= 60_000

    kept = ids(folder)
    assert kept[-1] == "d29-3"
    assert "d00-0" not in kept
    assert len(files(folder, "cold/**/*.parquet")) > 1


def test_records_older_than_the_limit_go_both_hot_and_compacted(make_store, folder: Path) -> None:
    now = [NOON]
    store = make_store(retention_days=3, clock=lambda: now[0])
    for day in range(10):
        now[0] = NOON + day * DAY_SECONDS
        store.write([*comparisons(f"d{day}", 1), tally(eligible=1)])
        if day == 7:
            compact(folder)

    assert ids(folder) == ["d6-0", "d7-0", "d8-0", "d9-0"]
    assert len(files(folder, "tallies/**/*.parquet")) == 1
    assert len(list(folder.glob("*/dt=*"))) == 2, "no empty folders are left"


def test_the_segment_of_a_living_process_is_never_deleted(make_store, folder: Path) -> None:
    now = [NOON]
    idle = make_store(clock=lambda: NOON)
    idle.write(comparisons("idle", 50))
    busy = make_store(max_bytes=10_000, retention_days=1, clock=lambda: now[0])
    for day in range(5):
        now[0] = NOON + day * DAY_SECONDS
        busy.write(comparisons(f"busy{day}", 2))

    kept = ids(folder)
    assert sum(name.startswith("idle") for name in kept) == 50
    assert "busy4-1" in kept
    assert "busy0-0" not in kept


def test_a_dead_empty_segment_is_swept(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    (folder / "hot" / "2999-01-01-host-1-1-1.jsonl").touch()
    store.write(comparisons("b", 1))

    assert len(files(folder, "hot/*")) == 2


def test_a_segment_that_was_empty_when_it_was_measured_is_not_swept(make_store, folder: Path) -> None:
    """Between measuring and sweeping, a busy process may open, fill and leave a segment."""
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    (segment,) = (folder / "hot").iterdir()
    whole = segment.read_bytes()
    segment.write_bytes(b"")
    (measured,) = _files(Layout(folder), NOON)
    segment.write_bytes(whole)

    assert not _removed(measured, NOON)
    assert ids(folder) == ["a-0"]


def test_what_a_killed_compaction_was_making_goes_by_age_too(make_store, folder: Path) -> None:
    store = make_store(retention_days=3)
    store.write(comparisons("a", 1))
    drafts = folder / "tmp"
    drafts.mkdir()
    for name, days in (("old", 4), ("new", 1)):
        (drafts / f"part-{name}.parquet").touch()
        moment = time.time() - days * DAY_SECONDS
        os.utime(drafts / f"part-{name}.parquet", (moment, moment))
    store.close()
    store.write(comparisons("b", 1))
    assert files(folder, "tmp/*") == ["tmp/part-new.parquet"]
