from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from store_records import comparisons, files, ids, tally

from shadow_mw.stores.compaction import compact
from shadow_mw.stores.layout import Layout
from shadow_mw.stores.publication import listing
from shadow_mw.stores.reader import open_reader
from shadow_mw.stores.segments import SegmentStore


def acknowledged(lines: Iterable[str]) -> set[str]:
    """The ids in complete lines of a writer: `batch size`."""
    batches = (line.split() for line in lines if line.endswith("\n"))
    return {f"{batch}-{number}" for batch, size in batches for number in range(int(size))}


def killed_after(child: subprocess.Popen[str], batches: int, seconds: float) -> set[str]:
    """Kill a writer somewhere after so many batches, and return all that it acknowledged."""
    lines = [child.stdout.readline() for _ in range(batches)]
    time.sleep(seconds)  # the moment is to be any; nothing waits for anything
    child.kill()
    assert child.wait() == -signal.SIGKILL
    return acknowledged(lines + child.stdout.readlines())


def found(folder: Path) -> set[str]:
    everything = ids(folder)
    assert len(everything) == len(set(everything)), "nothing is there twice"
    return set(everything)


def test_a_killed_writer_loses_nothing_that_it_acknowledged(start_child, folder: Path) -> None:
    chance = random.Random(8)
    kept: set[str] = set()
    for life in range(6):
        child = start_child("write", folder, f"life{life}", 50_000, 10_000)
        kept |= killed_after(child, chance.randrange(1, 30), chance.random() / 100)
    before = found(folder)
    assert kept <= before

    assert compact(folder).damaged_lines == 0
    assert found(folder) == before
    assert files(folder, "hot/*") == []


def test_many_processes_write_read_and_compact_at_once(start_child, folder: Path) -> None:
    SegmentStore(folder, max_bytes=2**30, retention_days=30).write([tally(eligible=1)])
    writers = [start_child("write", folder, f"writer{number}", 50_000, 160) for number in range(4)]
    compactor = start_child("compact_on", folder)
    lines = [[writer.stdout.readline()] for writer in writers]
    for _ in range(7):
        known = acknowledged(line for written in lines for line in written)
        assert known <= found(folder), "what was acknowledged before is there, once"
        for writer, written in zip(writers, lines, strict=True):
            written.extend(writer.stdout.readline() for _ in range(20))
    for writer, written in zip(writers, lines, strict=True):
        written.extend(writer.stdout.readlines())
        assert writer.wait() == 0
    segments = int(compactor.communicate()[0])

    assert compactor.returncode == 0
    assert segments >= 12
    assert found(folder) == acknowledged(line for written in lines for line in written)


STEPS = [
    ("drafted", 1),
    ("journalled", 1),
    ("renamed", 1),
    ("renamed", 2),
    ("unlinked", 1),
    ("unlinked", 2),
    ("settled", 1),
    ("journalled", 2),
    ("renamed", 3),
]


@pytest.mark.parametrize(("step", "number"), STEPS)
@pytest.mark.parametrize("meanwhile", ["nothing", "retention"])
def test_a_compaction_killed_at_any_step_neither_loses_nor_doubles(
    make_store, start_child, folder: Path, step: str, number: int, meanwhile: str
) -> None:
    clock = [1_700_000_000.0]
    store = make_store(segment_bytes=2_000, clock=lambda: clock[0])
    for clock[0] in (1_700_000_000.0, 1_700_086_400.0):
        for name in "abc":
            store.write([*comparisons(f"{name}{clock[0]:.0f}", 3), tally(eligible=3)])
    store.close()
    everything = ids(folder)
    assert len(everything) == 18

    child = start_child("compact_until", folder, step, number)
    assert child.wait() == -signal.SIGKILL
    assert ids(folder) == everything
    assert tallied(folder) == 18

    if meanwhile == "retention":
        store.write([*comparisons("new", 1), tally(eligible=3)])
        everything = sorted([*everything, "new-0"])
        assert ids(folder) == everything
        store.close()
    compact(folder)
    assert ids(folder) == everything
    assert tallied(folder) == len(everything) + (2 if meanwhile == "retention" else 0)
    assert files(folder, "hot/*") == files(folder, "tmp/**/*") == files(folder, "journal*") == []


def test_retention_leaves_the_files_of_a_killed_compaction_together(
    make_store, start_child, folder: Path
) -> None:
    """Were one of two targets deleted, the reader would take the compaction for undone."""
    clock = [1_700_000_000.0]
    store = make_store(segment_bytes=2_000, retention_days=1, clock=lambda: clock[0])
    for name in "abc":
        store.write([*comparisons(name, 3), tally(eligible=3)])
    store.close()
    everything = ids(folder)
    assert start_child("compact_until", folder, "unlinked", 1).wait() == -signal.SIGKILL

    clock[0] += 10 * 86_400
    store.write(comparisons("later", 1))
    assert ids(folder) == [*everything, "later-0"]
    compact(folder)
    store.close()
    store.write(comparisons("last", 1))
    assert ids(folder) == ["last-0", "later-0"]


def test_only_one_compaction_runs_at_a_time(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    second = []
    compact(folder, on_step=lambda step: second.append(compact(folder).is_busy))

    assert second
    assert all(second)
    assert ids(folder) == ["a-0"]


def test_segments_are_gathered_into_parts_of_a_day(make_store, folder: Path) -> None:
    clock = [1_700_000_000.0]
    store = make_store(segment_bytes=2_000, clock=lambda: clock[0])
    for clock[0] in (1_700_000_000.0, 1_700_086_400.0):
        for number in range(10):
            store.write(comparisons(f"{clock[0]:.0f}{number}", 2, ts_us=1_000 - number))
    store.close()
    done = compact(folder)

    assert (done.segments, done.comparisons) == (20, 40)
    assert [name.rpartition("/")[0] for name in files(folder, "cold/**/*")] == [
        "cold/dt=2023-11-14",
        "cold/dt=2023-11-15",
    ]
    with open_reader(folder) as reader:
        (part, _) = sorted(folder.glob("cold/*/*.parquet"))
        times = [row["ts_us"] for row in reader.rows(f"SELECT ts_us FROM '{part}'")]
    assert times == sorted(times)


def test_damage_in_the_middle_of_a_segment_is_counted(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 3))
    store.close()
    (segment,) = (folder / "hot").iterdir()
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + lines[1][:50] + b"\n" + lines[2])

    assert ids(folder) == ["a-0", "a-2"]
    done = compact(folder)
    assert (done.comparisons, done.damaged_lines) == (2, 1)


def tallied(folder: Path) -> int:
    with open_reader(folder) as reader:
        return int(reader.rows("SELECT sum(counts['eligible']) AS n FROM tallies")[0]["n"])


def test_a_compaction_gets_its_turn_among_many_who_list(make_store, folder: Path) -> None:
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    layout = Layout(folder)
    stop = threading.Event()

    def list_on() -> None:
        """Hold the list, and ask for it again while two others hold it: it is never free by chance."""
        while not stop.is_set():
            with listing(layout, wait_seconds=60) as held:
                assert held
                stop.wait(0.02)

    threads = [threading.Thread(target=list_on) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        assert compact(folder).comparisons == 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()
